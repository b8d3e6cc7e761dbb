# Sourced by the other scripts: finds out what the machine lacks, and installs that and nothing else.
#
#   setup_system runtime demo test python venv    packages of the system, by group
#   setup_python test                             a virtual environment in .venv with the extras named
#
# Both are quick when everything is there. Needs bash, and Debian or Ubuntu where something has to be installed.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Looking for what is missing

_has_command() { PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" >/dev/null; }
_has_library() { [[ $(PATH=$PATH:/usr/sbin:/sbin ldconfig -p) == *"$1 "* ]]; }
_has_header() { compgen -G "/usr/include/$1" >/dev/null || compgen -G "/usr/include/*/$1" >/dev/null; }
_has_nginx_module() {
    local modules
    modules=$(PATH=$PATH:/usr/sbin nginx -V 2>&1 | grep -o -- '--modules-path=[^ ]*' | cut -d= -f2)
    [ -e "${modules:-/usr/lib/nginx/modules}/$1" ]
}
_has_certificates() { [ -s /etc/ssl/certs/ca-certificates.crt ]; }

# Finds a Python that is new enough; "$1" is what it has to be able to import.
_find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c "import sys, $1; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
            python=$(command -v "$candidate")
            return
        fi
    done
    return 1
}

_venv_works() { "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Prints the package that brings a new enough Python, or with "$1" -venv one that can make virtual environments.
_python_package() {
    local candidate version
    candidate=$(apt-cache policy python3 2>/dev/null | sed -n 's/^ *Candidate: //p')
    if ! dpkg --compare-versions "${candidate:-0}" ge 3.11 2>/dev/null; then
        # The release's own Python is too old; some have a newer one beside it.
        for version in 3.14 3.13 3.12 3.11; do
            if apt-cache show "python$version$1" >/dev/null 2>&1; then
                echo "python$version$1"
                return
            fi
        done
    fi
    echo "python3$1"
}

# Prints the packages that the groups named lack, one to a line.
_missing() {
    local group
    for group in "$@"; do
        case $group in
        runtime)
            _has_library libssl.so.3 || echo libssl3
            _has_library libnghttp2.so.14 || echo libnghttp2-14
            _has_certificates || echo ca-certificates
            ;;
        demo)
            _has_command nginx || echo nginx-light
            _has_nginx_module ngx_http_echo_module.so || echo libnginx-mod-http-echo
            _has_command openssl || echo openssl
            ;;
        test)
            _missing demo
            _has_command curl || echo curl
            _has_command nghttpd || echo nghttp2-server
            _has_command redis-server || echo redis-server
            _has_command apache2 || echo apache2-bin
            _has_command h2o || echo h2o
            _has_command haproxy || echo haproxy
            _has_command nghttpx || echo nghttp2-proxy
            # The program alone: "tinyproxy" would bring a service.
            _has_command tinyproxy || echo tinyproxy-bin
            _has_command microsocks || echo microsocks
            _has_command stunnel || echo stunnel4
            _has_command gcc || echo gcc
            _has_header stdlib.h || echo libc6-dev
            _has_header openssl/ssl.h || echo libssl-dev
            _has_header nghttp2/nghttp2.h || echo libnghttp2-dev
            _has_command strace || echo strace
            ;;
        python)
            _find_python ctypes || _python_package ''
            ;;
        venv)
            _venv_works || _find_python 'ctypes, ensurepip, venv' || _python_package -venv
            ;;
        *) fail "no group of packages is called $group" ;;
        esac
    done
}

# Installing it

# Runs as root, maybe in a shell of its own: uses nothing of this file.
_install_as_root() {
    local policy=/usr/sbin/policy-rc.d service new=()
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    # Servers are wanted as programs. Debian would start them, now and with every boot: the first is what policy-rc.d
    # and RUNLEVEL are there to prevent, the second is undone below, for services that weren't there before.
    for service in nginx redis-server stunnel4 h2o haproxy nghttpx; do
        [ -e "/etc/init.d/$service" ] || [ -e "/lib/systemd/system/$service.service" ] || new+=("$service")
    done
    if [ ! -e "$policy" ]; then
        # shellcheck disable=SC2064
        trap "rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    local install=(apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@")
    # Package lists that are too old, or missing, are brought up to date once.
    "${install[@]}" || { apt-get -o DPkg::Lock::Timeout=300 update && "${install[@]}"; } || return
    for service in "${new[@]}"; do
        [ -e "/etc/init.d/$service" ] || [ -e "/lib/systemd/system/$service.service" ] || continue
        if command -v systemctl >/dev/null; then
            systemctl disable --now "$service" >/dev/null 2>&1
        else
            update-rc.d "$service" disable >/dev/null 2>&1
        fi
    done
    return 0
}

# Installs what the groups named lack, or says how to.
setup_system() {
    local packages before=
    while true; do
        mapfile -t packages < <(_missing "$@" | sort -u)
        [ ${#packages[@]} -gt 0 ] || return 0
        # Once more where the answer changes: a machine that has never had package lists doesn't know the better name.
        [ "${packages[*]}" != "$before" ] || fail "still missing after installing: ${packages[*]}"
        before=${packages[*]}
        _install "${packages[@]}"
    done
}

_install() {
    local by_hand="apt-get install --yes --no-install-recommends $*" script
    _has_command apt-get || fail "this is missing, under the names that Debian has for it: $*"
    echo "Installing what is missing: $*" >&2
    script="$(declare -f _install_as_root); _install_as_root \"\$@\""
    if [ "$(id -u)" = 0 ]; then
        bash -c "$script" install "$@" >&2 || fail "this failed: $by_hand"
    elif sudo -n true 2>/dev/null; then
        sudo -n bash -c "$script" install "$@" >&2 || fail "this failed: sudo $by_hand"
    else
        fail "packages are missing, and installing them needs root. Run this, then try again:
    sudo $by_hand"
    fi
}

# Makes .venv with a Python that "setup_system venv" has found, and installs the extras named.
setup_python() {
    local marks=$venv/.setup extra key requirements
    # One at a time in a clone; the lock is on the directory, so there is no file to leave behind.
    exec 9<"$root"
    flock 9
    if ! _venv_works || [ "$(cat "$marks/state" 2>/dev/null)" = begun ]; then
        [ ! -e "$venv" ] || [ -e "$marks" ] || fail "$venv can't be used (Python 3.11 or newer is needed); remove it"
        _find_python 'ctypes, ensurepip, venv' || fail "no Python 3.11 or newer with the venv module was found"
        rm -rf "$venv"
        mkdir -p "$marks"
        echo begun >"$marks/state"
        "$python" -m venv "$venv" || fail "$python -m venv $venv failed"
        echo made >"$marks/state"
    fi
    python=$venv/bin/python
    key=$(sha256sum <"$root/pyproject.toml")
    for extra in "$@"; do
        [ "$(cat "$marks/$extra" 2>/dev/null)" != "$key" ] || continue
        echo "Installing the Python packages of the extra \"$extra\" into .venv" >&2
        # The requirements alone: the project itself is used from where it is.
        mapfile -t requirements < <("$python" -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["project"]["optional-dependencies"][sys.argv[2]], sep="\n")' "$root/pyproject.toml" "$extra")
        "$python" -m pip install --quiet --disable-pip-version-check "${requirements[@]}" >&2 ||
            fail "installing the Python packages failed: ${requirements[*]}"
        mkdir -p "$marks"
        echo "$key" >"$marks/$extra"
    done
    exec 9<&-
}
