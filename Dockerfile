# syntax=docker/dockerfile:1

# Dependencies and build. Compilers and access to the registry stay in these stages.
FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json LICENSE ./
COPY scripts/build.ts scripts/
COPY page page
COPY clients clients
COPY src src
# The commit that /version reports: docker build --build-arg COMMIT="$(git rev-parse HEAD)"
ARG COMMIT=""
RUN npm run build

FROM node:24-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-trixie-slim AS base
LABEL org.opencontainers.image.title="media-oracle" \
  org.opencontainers.image.source="https://github.invalid/OWNER/media-oracle" \
  org.opencontainers.image.licenses="MIT"
# Nothing is installed at run time: package managers would only be of use to an attacker, and have vulnerabilities of their own.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
  /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*
# tini reaps the decoder workers and forwards signals. jemalloc returns memory to the system after a large picture:
# RSS after load was 126 MB with jemalloc, 298 MB with a limit on glibc's arenas, and 603 MB with neither.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini libjemalloc2 \
  && rm -rf /var/lib/apt/lists/* \
  && ln -s "$(dpkg -L libjemalloc2 | grep 'libjemalloc.so.2$')" /usr/local/lib/libjemalloc.so.2 \
  # For MEDIA_ORACLE_CACHE_FILE: a new volume inherits the owner of this folder.
  && install -d -o 1000 -g 1000 /var/lib/media-oracle
WORKDIR /app
COPY package.json LICENSE THIRD_PARTY_NOTICES ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
ENV NODE_ENV=production \
  LD_PRELOAD=/usr/local/lib/libjemalloc.so.2 \
  MEDIA_ORACLE_HOST=0.0.0.0
EXPOSE 8080
# A numeric ID, so that Kubernetes can verify runAsNonRoot. User 1000 is the base image's "node".
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["node", "dist/main.js", "health"]
ENTRYPOINT ["tini", "--", "node", "dist/main.js"]
CMD ["serve"]

# docker build --target full: adds ffmpeg, which the hashes of videos need.
FROM base AS full
USER 0
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg \
  && rm -rf /var/lib/apt/lists/*
USER 1000:1000

# The last stage is the default target.
FROM base AS slim
