#!/bin/bash
# Builds the root file system of the test host into the new folder $1. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install_pm2() {
    cp "$here/pm2/package.json" "$here/pm2/package-lock.json" "$work/"
    (cd "$work" && npm ci --omit=dev --no-audit --no-fund --ignore-scripts >"$work/npm.log" 2>&1) ||
        { cat "$work/npm.log" >&2; return 1; }
}

install_pm2 &
npm=$!
# The JRE's set-up script needs the manual's folder, though the pages stay out.
mmdebstrap --mode=root --variant=apt \
    --include="$(grep -v '^#' "$here/packages.txt" | paste -sd,)" \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt=force-unsafe-io \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook="'$here/provision.sh' \"\$1\"" \
    trixie "$tree"
wait "$npm"
mkdir -p "$tree/usr/local/lib/pm2"
cp -a "$work/node_modules" "$tree/usr/local/lib/pm2/"
ln -s ../lib/pm2/node_modules/.bin/pm2 "$tree/usr/local/bin/pm2"
