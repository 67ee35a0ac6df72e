#!/bin/sh
# Tests the page in a real browser, and the HTTP API with third-party clients: run.sh BUILD_DIRECTORY
# Screenshots are written to .web-shots (or SHOTS). Skips with a reason if the browser or Python is missing.
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
skip() {
    echo "skipped the web page's tests: $*"
    exit 0
}

for program in kantaibertd kantaibert-train kantaibert-read kantaibert-web; do
    [ -x "$build/$program" ] || { echo "$build/$program is missing: make build" >&2; exit 66; }
done
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || skip "no chromium and chromedriver"
    sh .ci/packages chromium chromium-driver fonts-dejavu-core || skip "chromium cannot be installed"
fi
venv=.venv-web
if ! [ -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" || skip "no python3 with venv"
fi
"$venv/bin/pip" install -q -r Tests/Web/requirements.txt || skip "no selenium"
"$venv/bin/pip" install -q --no-deps -r Tests/Web/requirements-nodeps.txt || skip "no axe-core"
exec "$venv/bin/python" Tests/Web/test_web.py "$build" "${SHOTS:-.web-shots}"
