# The image of web processes (`serve`) and of workers (`worker`). Every Python package is a wheel of requirements.txt, whose
# hashes are checked, so no compiler is needed; all base images are multi-arch (amd64, arm64).
FROM node:22-slim AS page
WORKDIR /src/static
COPY static/package.json static/package-lock.json static/.npmrc ./
RUN npm ci --loglevel=error
COPY static ./
RUN npm run build -- pages

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/roomcast
ENV PATH=/opt/roomcast/bin:$PATH
WORKDIR /src
COPY requirements.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY deploy deploy
COPY docs docs
COPY server server
COPY workers workers
COPY --from=page /src/static static
RUN pip install --no-deps --no-build-isolation . && pip uninstall --yes pip

FROM python:3.13-slim
RUN groupadd --gid 10001 roomcast \
    && useradd --uid 10001 --gid roomcast --no-create-home --home-dir /data roomcast \
    && install --directory --owner roomcast --group roomcast --mode 700 /data
COPY --from=build /opt/roomcast /opt/roomcast
ENV PATH=/opt/roomcast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    ROOMCAST_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["roomcast"]
CMD ["serve"]
