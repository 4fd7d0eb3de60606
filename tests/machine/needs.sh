# Sourced. `needs [root] PACKAGE:COMMAND...` ends the script, naming everything that is missing, with 77, by which test
# runners know "could not be tried here" from "failed". It is no success: who asks for this test must not take it for passed.
needs() {
  local need missing=''
  for need in "$@"; do
    case $need in
      root) [ "$(id -u)" = 0 ] || missing+="  root (you are $(id -un))"$'\n' ;;
      *) command -v "${need#*:}" >/dev/null || missing+="  ${need#*:} (Debian: apt-get install ${need%%:*})"$'\n' ;;
    esac
  done
  [ -z "$missing" ] || { printf '%s cannot run here. Missing:\n%s' "$0" "$missing" >&2; exit 77; }
}
