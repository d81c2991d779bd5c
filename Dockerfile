# Two images: `proxy` (Caddy with our configuration) and, last and by default, the application.
#
# Behind a mirror: `--secret id=mirror,src=FILE`, where FILE holds shell lines such as PIP_INDEX_URL=... and
# UV_DEFAULT_INDEX=...; it is read during the build and kept in no layer.
ARG DEBIAN_IMAGE=debian:trixie-slim
ARG CADDY_IMAGE=caddy:2

FROM ${CADDY_IMAGE} AS proxy
# A copy carries no file capability, so the program starts with every capability dropped. It listens above 1024.
RUN cp /usr/bin/caddy /usr/bin/caddy.plain && mv /usr/bin/caddy.plain /usr/bin/caddy \
    && mkdir -p /data /config /srv/public && chown -R 10002:10002 /data /config && chown 10001:10001 /srv/public
COPY deploy/Caddyfile deploy/away.html /etc/caddy/
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
USER 10002:10002
EXPOSE 8080 8443
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8081/"]
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]

FROM ${DEBIAN_IMAGE} AS runtime
# git: is the commit there? psql, pg_dump: migrations and backups run from the controller, backups of Cloud Wiki itself.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates git openssh-client postgresql-client-17 procps python3 tzdata \
    && rm -rf /var/lib/apt/lists/* /var/cache/debconf/* /var/log/apt /var/log/dpkg.log
RUN groupadd --gid 10001 cloudwiki \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin cloudwiki \
    && mkdir -m 0700 /data && mkdir -m 0755 /data/public && chown 10001:10001 /data /data/public

FROM runtime AS dependencies
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gettext python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
# uv of the version that the lock file pins, checked against its hashes; then the application's packages by it.
RUN --mount=type=secret,id=mirror \
    set -a; if [ -f /run/secrets/mirror ]; then . /run/secrets/mirror; fi; set +a; set -eu; \
    awk '/^uv==/ {pinned = 1; print; next} /^[^ ]/ {pinned = 0} pinned' requirements-dev.lock > uv.lock; \
    python3 -m venv /opt/uv; \
    /opt/uv/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes -r uv.lock; \
    /opt/uv/bin/uv venv --quiet --no-cache --python /usr/bin/python3 /opt/venv; \
    /opt/uv/bin/uv pip sync --quiet --no-cache --require-hashes --compile-bytecode --python /opt/venv/bin/python \
        requirements.lock

FROM dependencies AS files
WORKDIR /app
COPY . .
# Settings that hold for this command alone: nothing is connected to, nothing of them is kept.
RUN set -eu; \
    rm requirements-dev.lock; \
    export PATH="/opt/venv/bin:$PATH" CLOUDWIKI_ENV=production CLOUDWIKI_DATA=/tmp SECRET_KEY=build \
        ALLOWED_HOSTS=build DATABASE_URL=postgres://build@build/build REDIS_URL=redis://build \
        CLOUDWIKI_SECRETS_KEY_FILE=/tmp/secrets.key; \
    head -c 32 /dev/urandom | base64 > /tmp/secrets.key; \
    if [ -d locale ]; then python manage.py compilemessages -v 0; fi; \
    python manage.py collectstatic --noinput -v 0; \
    python -m compileall -q cloudwiki demo releases; \
    chmod -R a+rX,go-w .

FROM runtime
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=files /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8 HOME=/data \
    CLOUDWIKI_ENV=production CLOUDWIKI_DATA=/data CLOUDWIKI_HOST=0.0.0.0 CLOUDWIKI_PORT=8000
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "/app/deploy/healthcheck.py", "web"]
CMD ["python", "-m", "cloudwiki", "web"]
