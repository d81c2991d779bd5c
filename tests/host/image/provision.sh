#!/bin/bash
# Turns the fresh Debian tree $1 into the seed's server. Runs while mmdebstrap keeps /dev and /proc mounted in it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$1

cp -r --no-preserve=ownership "$here/files/." "$tree/"
chmod 440 "$tree/etc/sudoers.d/deploy"
chroot "$tree" useradd --create-home --shell /bin/bash --groups systemd-journal,adm --uid 1000 deploy
chroot "$tree" install -d -o deploy -g deploy \
    /app /app/backend /app/backend/logs /app/frontend /app/backup /app/releases \
    /home/deploy/.pm2
chroot "$tree" install -d -o deploy -g deploy -m 700 /home/deploy/.ssh

# Identity is made per host, never kept in the image.
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/etc/resolv.conf"
: >"$tree/etc/machine-id"
: >"$tree/etc/resolv.conf"

# A container has no disks, seats or network of its own to look after.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-tmpfiles-clean.timer systemd-timesyncd.service console-getty.service getty@.service \
    systemd-networkd.service systemd-logind.service; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
chroot "$tree" systemctl --quiet enable pm2-deploy

chroot "$tree" pg_ctlcluster 17 main start
chroot "$tree" psql -qU postgres -v ON_ERROR_STOP=1 <"$here/database.sql"
chroot "$tree" pg_ctlcluster 17 main stop
