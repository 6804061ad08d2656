# k6 with the scenarios' bundles. Needs no network at run time.
#   docker build -t ws-stress .
#   docker run --rm ws-stress run -e STRESS_URL=ws://host:8003/ws/mcp dist/concurrent.js
# Files are named by their full paths. A result goes into a folder that user 65532 may write:
#   docker run --rm -v "$PWD/results:/results" ws-stress run -e STRESS_RESULT=/results/result.json … dist/concurrent.js

FROM golang:1.25-alpine AS k6
WORKDIR /runtime
COPY runtime/go.mod runtime/go.sum ./
RUN go mod download
COPY runtime/main.go ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /k6 .

FROM node:22-slim AS bundles
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Nothing that is installed needs a script of its own.
RUN npm ci --ignore-scripts
COPY . .
RUN node build.mjs

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=k6 /k6 /usr/bin/k6
WORKDIR /ws-stress
COPY --from=bundles /build/dist/*.js dist/
COPY LICENSE thresholds.json ./
ENV K6_NO_USAGE_REPORT=true K6_AUTO_EXTENSION_RESOLUTION=false
ENTRYPOINT ["k6"]
CMD ["run", "dist/concurrent.js"]
