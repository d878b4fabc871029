
# -- app: the server as an app of Home Assistant, whose Supervisor mounts /data for root
FROM server AS app

ARG BUILD_VERSION=0.1.0
ARG BUILD_ARCH=amd64
LABEL io.hass.version="${BUILD_VERSION}" \
    io.hass.type="app" \
    io.hass.arch="${BUILD_ARCH}"

COPY start_server.py process.py discovery.py /app/

# It gives /data to the server's user and becomes that user.
# hadolint ignore=DL3002
USER 0:0

# As the server's user: root in a container may not look at another user's sockets.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "python", "/app/healthcheck.py"]

ENTRYPOINT ["python", "/app/start_server.py"]
CMD []
