#!/bin/sh
# Makes the secret files of docker-compose.yml, and .env with the site's name. Run as root, once:
#
#   sudo deploy/init-secrets.sh wiki.example.com
#
# Each file is 0600 and belongs to the account in the container that reads it. What is there already is kept.
set -eu
umask 077
APPLICATION=10001:10001  # Dockerfile
SERVER=999:999           # postgres and redis in docker-compose.yml

fail() { printf 'init-secrets: %s\n' "$1" >&2; exit 1; }
tell() { printf 'made %s\n' "$1"; }
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # NAME OWNER: standard input becomes the file, whole or not at all, unless there is one
    if [ ! -s "$folder/$1" ]; then
        cat >"$folder/.$1.new"
        [ -s "$folder/.$1.new" ] || fail "$1 came out empty"
        mv "$folder/.$1.new" "$folder/$1"
        tell "$folder/$1"
    fi
    chown "$2" "$folder/$1"
    chmod 0600 "$folder/$1"
}

[ $# -eq 1 ] || fail "usage: deploy/init-secrets.sh NAME, the name that people will type, such as wiki.example.com"
case $1 in *[!A-Za-z0-9.,:-]* | "" | -*) fail "$1 is not a host name, or several with commas in between" ;; esac
[ "$(id -u)" -eq 0 ] || fail "run it as root: each file must belong to the account that reads it in its container"
for tool in ssh-keygen base64 od; do
    command -v "$tool" >/dev/null || fail "$tool is missing; install it (openssh-client, coreutils)"
done

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${CLOUDWIKI_SECRETS:-$root/deploy/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"
# Half a pair must not be completed: the other half is on its way somewhere else.
for pair in "postgres_password database_url" "redis.conf redis_url" "ssh_key ssh_key.pub"; do
    [ -s "$folder/${pair% *}" ] || [ ! -s "$folder/${pair#* }" ] ||
        fail "$folder holds ${pair#* } but not ${pair% *}. Restore it from the backup."
done

random 48 | keep secret_key "$APPLICATION"
random 32 | keep metrics_token "$APPLICATION"
head -c 32 /dev/urandom | base64 | keep secrets_key "$APPLICATION"
random 24 | keep postgres_password "$SERVER"
printf 'postgres://cloudwiki:%s@postgres:5432/cloudwiki\n' "$(cat "$folder/postgres_password")" |
    keep database_url "$APPLICATION"
printf 'requirepass %s\n' "$(random 24)" | keep redis.conf "$SERVER"
printf 'redis://:%s@redis:6379/0\n' "$(sed -n 's/^requirepass //p' "$folder/redis.conf")" |
    keep redis_url "$APPLICATION"
if [ ! -s "$folder/ssh_key" ]; then
    rm -f "$folder/.ssh_key.new" "$folder/.ssh_key.new.pub"
    ssh-keygen -q -t ed25519 -N '' -C cloud-wiki -f "$folder/.ssh_key.new"
    mv "$folder/.ssh_key.new.pub" "$folder/.ssh_key.pub.new"
    mv "$folder/.ssh_key.new" "$folder/ssh_key"
    mv "$folder/.ssh_key.pub.new" "$folder/ssh_key.pub"
    tell "$folder/ssh_key"
fi
keep ssh_key "$APPLICATION" </dev/null
ssh-keygen -y -f "$folder/ssh_key" | keep ssh_key.pub "$APPLICATION"

environment=${CLOUDWIKI_ENV_FILE:-$root/.env}
if [ ! -e "$environment" ]; then
    printf 'CLOUDWIKI_SITE=%s\n' "$1" >"$environment"
    chmod 0644 "$environment"  # holds no secret
    tell "$environment"
fi

cat <<EOF

Next:
  docker compose up -d --build
  docker compose run --rm web python manage.py createsuperuser
  https://$1/

Hosts let Cloud Wiki in with this line in ~/.ssh/authorized_keys of their deploy user:
  $(cat "$folder/ssh_key.pub")

Back up $folder now, apart from the database: without secrets_key, stored secrets cannot be read again.
EOF
