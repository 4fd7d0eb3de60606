import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecisionRecord(_message.Message):
    __slots__ = ("id", "time", "outcome", "reason", "detail", "http_status", "request", "hop", "source", "principal", "rule", "revocation", "duration", "snapshot_revision", "leniencies")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[DecisionRecord.Outcome]
        ALLOW: _ClassVar[DecisionRecord.Outcome]
        DENY: _ClassVar[DecisionRecord.Outcome]
        ERROR: _ClassVar[DecisionRecord.Outcome]
    OUTCOME_UNSPECIFIED: DecisionRecord.Outcome
    ALLOW: DecisionRecord.Outcome
    DENY: DecisionRecord.Outcome
    ERROR: DecisionRecord.Outcome
    class Request(_message.Message):
        __slots__ = ("id", "method", "host", "path", "peer_address")
        ID_FIELD_NUMBER: _ClassVar[int]
        METHOD_FIELD_NUMBER: _ClassVar[int]
        HOST_FIELD_NUMBER: _ClassVar[int]
        PATH_FIELD_NUMBER: _ClassVar[int]
        PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
        id: str
        method: str
        host: str
        path: str
        peer_address: str
        def __init__(self, id: _Optional[str] = ..., method: _Optional[str] = ..., host: _Optional[str] = ..., path: _Optional[str] = ..., peer_address: _Optional[str] = ...) -> None: ...
    class Hop(_message.Message):
        __slots__ = ("name", "proofs")
        NAME_FIELD_NUMBER: _ClassVar[int]
        PROOFS_FIELD_NUMBER: _ClassVar[int]
        name: str
        proofs: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, name: _Optional[str] = ..., proofs: _Optional[_Iterable[str]] = ...) -> None: ...
    class Source(_message.Message):
        __slots__ = ("name", "format", "header")
        NAME_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        HEADER_FIELD_NUMBER: _ClassVar[int]
        name: str
        format: str
        header: str
        def __init__(self, name: _Optional[str] = ..., format: _Optional[str] = ..., header: _Optional[str] = ...) -> None: ...
    class Principal(_message.Message):
        __slots__ = ("name", "kind", "subject", "issuer", "serial", "sha256", "public_key_sha256", "anchor_sha256", "not_after", "trust_domain")
        NAME_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        SUBJECT_FIELD_NUMBER: _ClassVar[int]
        ISSUER_FIELD_NUMBER: _ClassVar[int]
        SERIAL_FIELD_NUMBER: _ClassVar[int]
        SHA256_FIELD_NUMBER: _ClassVar[int]
        PUBLIC_KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
        ANCHOR_SHA256_FIELD_NUMBER: _ClassVar[int]
        NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
        TRUST_DOMAIN_FIELD_NUMBER: _ClassVar[int]
        name: str
        kind: str
        subject: str
        issuer: str
        serial: str
        sha256: str
        public_key_sha256: str
        anchor_sha256: str
        not_after: _timestamp_pb2.Timestamp
        trust_domain: str
        def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., subject: _Optional[str] = ..., issuer: _Optional[str] = ..., serial: _Optional[str] = ..., sha256: _Optional[str] = ..., public_key_sha256: _Optional[str] = ..., anchor_sha256: _Optional[str] = ..., not_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trust_domain: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    HOP_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_REVISION_FIELD_NUMBER: _ClassVar[int]
    LENIENCIES_FIELD_NUMBER: _ClassVar[int]
    id: str
    time: _timestamp_pb2.Timestamp
    outcome: DecisionRecord.Outcome
    reason: str
    detail: _struct_pb2.Struct
    http_status: int
    request: DecisionRecord.Request
    hop: DecisionRecord.Hop
    source: DecisionRecord.Source
    principal: DecisionRecord.Principal
    rule: str
    revocation: str
    duration: _duration_pb2.Duration
    snapshot_revision: str
    leniencies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outcome: _Optional[_Union[DecisionRecord.Outcome, str]] = ..., reason: _Optional[str] = ..., detail: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., http_status: _Optional[int] = ..., request: _Optional[_Union[DecisionRecord.Request, _Mapping]] = ..., hop: _Optional[_Union[DecisionRecord.Hop, _Mapping]] = ..., source: _Optional[_Union[DecisionRecord.Source, _Mapping]] = ..., principal: _Optional[_Union[DecisionRecord.Principal, _Mapping]] = ..., rule: _Optional[str] = ..., revocation: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., snapshot_revision: _Optional[str] = ..., leniencies: _Optional[_Iterable[str]] = ...) -> None: ...
