FROM python:3.11-slim AS build
WORKDIR /source
COPY requirements/base.txt requirements/
RUN python -m venv /opt/tevreden \
 && /opt/tevreden/bin/pip install --no-cache-dir --require-hashes -r requirements/base.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY collector collector
COPY widget widget
COPY examples examples
RUN /opt/tevreden/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/tevreden/bin/pip uninstall --yes editables hatchling setuptools pip

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home tevreden
COPY --from=build /opt/tevreden /opt/tevreden
ENV PATH=/opt/tevreden/bin:$PATH PYTHONUNBUFFERED=1 TEVREDEN_HOST=0.0.0.0
USER tevreden
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=10s --timeout=5s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["tevreden", "serve"]
