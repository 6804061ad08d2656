# Two images: k6 with the scenarios' bundles, and the reference target (docs/docker.md).
#   docker build -t ws-stress .
#   docker build -t ws-stress-target --target reference-target .
# Base images are pinned by exact tags. Where you can look up digests, pin those: a tag can be moved, a digest cannot.

FROM docker.io/library/golang:1.25.12-alpine AS k6
WORKDIR /runtime
COPY runtime/go.mod runtime/go.sum runtime/main.go ./
# Fetches only the modules it needs. Static, because the last stage has no libraries to link to.
RUN CGO_ENABLED=0 go build -trimpath -mod=readonly -buildvcs=false -ldflags '-s -w' -o /k6 .

FROM docker.io/library/node:22.23.2-bookworm-slim AS bundles
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package needs its install scripts.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node build.mjs

# Only what the reference target needs at run time: no peers (valibot names TypeScript as one), and not the 67 MB that draw reports.
FROM bundles AS modules
RUN npm prune --omit=dev --omit=optional --omit=peer --ignore-scripts --no-audit --no-fund && rm -rf node_modules/echarts node_modules/zrender node_modules/esbuild

# Runs shell commands for its clients, so it listens on the container's own loopback unless it has a token and an allow-list.
FROM docker.io/library/node:22.23.2-bookworm-slim AS reference-target
LABEL org.opencontainers.image.title="websocket-mcp-stress reference target" \
      org.opencontainers.image.description="A service that runs commands over a WebSocket with JSON-RPC 2.0, to try load tests on" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /ws-stress
COPY LICENSE package.json ./
COPY cli/ws-stress.mjs cli/
COPY --from=bundles /build/dist/cli.mjs dist/
COPY --from=bundles /build/dist/cli dist/cli/
COPY --from=modules /build/node_modules node_modules/
USER 1000:1000
EXPOSE 8003
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8003/health', { signal: AbortSignal.timeout(2000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/ws-stress/cli/ws-stress.mjs", "target"]

# Last, so that a build without --target makes this one. No shell, no libraries: only k6 itself must be kept up to date.
FROM scratch AS stress
LABEL org.opencontainers.image.title="websocket-mcp-stress" \
      org.opencontainers.image.description="k6 with load and stress tests for services that run commands over a WebSocket with JSON-RPC 2.0" \
      org.opencontainers.image.licenses="MIT AND AGPL-3.0-only"
# Root certificates for wss://
COPY --from=k6 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=k6 /k6 /usr/bin/k6
WORKDIR /ws-stress
COPY --from=bundles /build/dist/*.js dist/
COPY LICENSE thresholds.json ./
ENV PATH=/usr/bin K6_NO_USAGE_REPORT=true K6_AUTO_EXTENSION_RESOLUTION=false
USER 65532:65532
ENTRYPOINT ["k6"]
CMD ["run", "dist/concurrent.js"]
