# syntax=docker/dockerfile:1

# Dependencies and the build: compilers and the registry stay in these stages.
FROM node:24-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/
COPY page page
COPY src src
# What /version tells: docker build --build-arg COMMIT="$(git rev-parse HEAD)"
ARG COMMIT=""
RUN npm run build

FROM node:24-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-trixie-slim AS base
# tini reaps the decoder processes and passes signals on. jemalloc gives memory back after a large picture:
# RSS after load was 126 MB with it, 298 MB with glibc's arenas limited and 603 MB without.
RUN apt-get update \
  && apt-get install -y --no-install-recommends tini libjemalloc2 \
  && rm -rf /var/lib/apt/lists/* \
  && ln -s "$(dpkg -L libjemalloc2 | grep 'libjemalloc.so.2$')" /usr/local/lib/libjemalloc.so.2 \
  # For MEDIA_ORACLE_CACHE_FILE: a new volume is whose the folder is.
  && install -d -o 1000 -g 1000 /var/lib/media-oracle
WORKDIR /app
COPY package.json LICENSE THIRD_PARTY_NOTICES ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
ENV NODE_ENV=production \
  LD_PRELOAD=/usr/local/lib/libjemalloc.so.2 \
  MEDIA_ORACLE_HOST=0.0.0.0
EXPOSE 8080
# By number, so that Kubernetes' runAsNonRoot can see that it is not root. 1000 is the image's "node".
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["node", "dist/main.js", "health"]
ENTRYPOINT ["tini", "--", "node", "dist/main.js"]
CMD ["serve"]

# docker build --target full: with ffmpeg, for the hash of videos.
FROM base AS full
USER 0
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg \
  && rm -rf /var/lib/apt/lists/*
USER 1000:1000

# The last one is built unless another is named.
FROM base AS slim
