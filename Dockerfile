# The service, not root, without compiler or build tools in the last stage.
ARG BUILD_IMAGE=python:3.12-slim
ARG RUNTIME_IMAGE=python:3.12-slim

# Both stages need the same Python at the same place: the virtual environment links to it.
FROM ${BUILD_IMAGE} AS build
ARG PIP_CERT=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN [ -n "$PIP_CERT" ] || unset PIP_CERT; python3 -m venv /opt/build && python3 -m venv /opt/authz-server \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.lock \
 && /opt/authz-server/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY authz_server authz_server
COPY envoy envoy
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheels \
 && /opt/authz-server/bin/pip install --no-deps --no-index /wheels/*.whl \
 && /opt/authz-server/bin/pip uninstall --yes pip

FROM ${RUNTIME_IMAGE}
# Where docker-compose.yml has its throwaway certificates made; a new volume takes its owner from here.
RUN mkdir /pki && chown 10001:10001 /pki
COPY --from=build /opt/authz-server /opt/authz-server
ENV PATH=/opt/authz-server/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 9001 9002
# Asks where the service was told to listen (0.0.0.0 reaches itself); with the admin listener off there is nobody to ask.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["python3", "-c", "\
import os, urllib.request as r; at = os.environ.get('AUTHZ_ADMIN_LISTEN', '127.0.0.1:9002'); \
at and r.urlopen(f'http://{at}/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["authz-server"]
CMD ["serve"]
