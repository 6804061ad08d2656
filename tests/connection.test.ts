import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainFailure, failureFrom, meaningOf, proxyOf } from '../lib/load/connection.ts';
import { flagOf } from '../lib/load/settings.ts';

const url = 'ws://service.example:8003/ws/mcp?key=hidden';
const secure = url.replace('ws:', 'wss:');

const received = (status: number, location = ''): string =>
  `expected status 101 to the opening handshake, received ${status}${location}`;

/** What k6 2.2.0 (k6/http and k6/ws) and Node 20 say, and what it means. */
const texts: readonly [kind: string, text: string, advice: RegExp][] = [
  ['blocked-by-k6', 'IP (127.0.0.1) is in a blacklisted range (127.0.0.0/8)', /K6_BLACKLIST_IPS/],
  ['blocked-by-k6', 'hostname (localhost) is in a blocked pattern (localhost)', /K6_BLOCK_HOSTNAMES/],
  [
    'local-address',
    'dial tcp 10.9.9.9:0->127.0.0.1:1: bind: cannot assign requested address',
    /Check K6_LOCAL_IPS, --local-ips/,
  ],
  ['refused', 'dial tcp 127.0.0.1:1: connect: connection refused', /Start the service there.*--url ws:/],
  ['refused', 'connect ECONNREFUSED 127.0.0.1:1', /Start the service there.*--url ws:/],
  ['no-such-host', 'lookup no-such-host.invalid: no such host', /Start the service/],
  ['no-such-host', 'dial tcp: lookup no-such-host.invalid on 10.0.0.1:53: no such host', /Start the service/],
  ['no-such-host', 'getaddrinfo ENOTFOUND no-such-host.invalid', /Start the service/],
  ['no-such-host', 'getaddrinfo EAI_AGAIN no-such-host.invalid', /Start the service/],
  ['unreachable', 'dial tcp 10.0.0.1:1: connect: network is unreachable', /Start the service/],
  ['unreachable', 'connect ENETUNREACH 10.0.0.1:1 - Local (0.0.0.0:0)', /Start the service/],
  ['unreachable', 'dial tcp 10.0.0.1:1: connect: no route to host', /Start the service/],
  ['unreachable', 'connect EHOSTUNREACH 10.0.0.1:1', /Start the service/],
  ['timeout', 'request timeout', /Start the service/],
  ['timeout', 'dial: i/o timeout', /Start the service/],
  ['timeout', 'read tcp 127.0.0.1:2->127.0.0.1:1: i/o timeout', /Start the service/],
  ['timeout', 'i/o timeout: no answer to the opening handshake within 1000 ms', /Start the service/],
  ['timeout', 'connect ETIMEDOUT 10.0.0.1:1', /Start the service/],
  ['untrusted-certificate', 'tls: failed to verify certificate: x509: certificate signed by unknown authority', /--ca/],
  ['untrusted-certificate', 'unable to verify the first certificate', /--ca FILE, or verify none with --insecure/],
  ['untrusted-certificate', 'self-signed certificate', /--ca/],
  ['untrusted-certificate', 'self-signed certificate in certificate chain', /--ca/],
  ['untrusted-certificate', 'unable to get local issuer certificate', /--ca/],
  [
    'certificate-expired',
    'tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-01T00:00:00Z',
    /Renew it/,
  ],
  ['certificate-expired', 'certificate has expired', /Renew it/],
  [
    'certificate-name',
    'tls: failed to verify certificate: x509: certificate is valid for localhost, not service.example',
    /a name that the certificate has/,
  ],
  [
    'certificate-name',
    "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
    /a name that the certificate has/,
  ],
  [
    'certificate-name',
    "Hostname/IP does not match certificate's altnames: Host: service.example. is not in the cert's altnames: DNS:localhost",
    /a name that the certificate has/,
  ],
  [
    'certificate-name',
    'tls: failed to verify certificate: x509: certificate relies on legacy Common Name field, use SANs instead',
    /a name that the certificate has/,
  ],
  ['client-certificate', 'remote error: tls: certificate required', /an address that needs none/],
  [
    'client-certificate',
    'C0:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1605:SSL alert number 116',
    /an address that needs none/,
  ],
  ['no-tls', 'tls: first record does not look like a TLS handshake', /use ws:\/\/ in place of wss:\/\//],
  ['no-tls', 'http: server gave HTTP response to HTTPS client', /use ws:\/\/ in place of wss:\/\//],
  [
    'no-tls',
    'C0:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/openssl/ssl/record/ssl3_record.c:354:',
    /use ws:\/\/ in place of wss:\/\//,
  ],
  [
    'tls-port',
    String.raw`net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02"`,
    /use wss:\/\/ in place of ws:\/\/, as in wss:\/\/service.example:8003/i,
  ],
  ['no-http', 'unexpected EOF', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'EOF', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'malformed HTTP response "220 ready"', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'socket hang up', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'Parse Error: Expected HTTP/, RTSP/ or ICE/', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'read tcp 127.0.0.1:2->127.0.0.1:1: read: connection reset by peer', /if it speaks TLS, use wss:\/\//],
  ['no-http', 'read ECONNRESET', /if it speaks TLS, use wss:\/\//],
  ['redirect', received(307, ', Location https://other.example/ws?…'), /redirects to https:\/\/other.example\/ws/],
  ['path', received(302), /Check the path/],
  ['path', received(404), /Check the path/],
  ['path', received(200), /Check the path/],
  ['denied', received(401), /Check the path and the token \(--token …\) or headers \(--headers …\)/],
  ['denied', received(403), /Check the path and the token \(--token …\) or headers \(--headers …\)/],
  ['interim', received(103), /interim response/],
  ['busy', received(429), /limits how often/],
  ['unavailable', received(503), /not ready or has no room/],
  ['server-error', received(502), /log/],
];

for (const [kind, text, advice] of texts) {
  test(`why a connection failed: ${text}`, () => {
    const context = { url: /no-tls|certificate/.test(kind) ? secure : url, spelled: flagOf };
    assert.equal(meaningOf(failureFrom(text), context).kind, kind);
    const whole = explainFailure(failureFrom(text), context);
    assert.match(
      whole,
      /^(?:No service answers at|No connection to the service at|The service at) wss?:\/\/service\.example:8003\/ws\/mcp\?…/,
    );
    assert.match(whole, advice);
    assert.match(whole, /[^.]\.$/);
    assert.doesNotMatch(whole, /hidden/);
  });
}

/** What is said of a proxy: by k6/http, by k6/ws, which names its address alone, and by Node. */
const throughProxy: readonly [kind: string, text: string][] = [
  ['proxy-down', 'proxyconnect tcp: dial tcp 10.1.1.1:3128: connect: connection refused'],
  ['proxy-down', 'dial tcp 10.1.1.1:3128: connect: connection refused'],
  ['proxy-down', 'connect ECONNREFUSED 10.1.1.1:3128'],
  ['proxy-refused', 'Forbidden'],
  ['proxy-refused', 'Proxy Authentication Required'],
  ['proxy-refused', 'proxy answered 403 Forbidden to CONNECT service.example:8003 (proxy.example:3128)'],
  ['proxy-kind', 'proxy: unknown scheme: https'],
];

for (const [kind, text] of throughProxy) {
  test(`why a connection through a proxy failed: ${text}`, () => {
    const proxy = proxyOf(url, { HTTP_PROXY: 'http://bob:hidden@proxy.example:3128/' });
    const context = { url, spelled: flagOf, proxy };
    assert.equal(meaningOf(failureFrom(text), context).kind, kind);
    const whole = explainFailure(failureFrom(text), context);
    assert.match(whole, /HTTP_PROXY/);
    assert.doesNotMatch(whole, /hidden|Start the service/);
  });
}

test('what is named is named as the user spelled it, and a second instance by its setting', () => {
  const refused = failureFrom('connect ECONNREFUSED 127.0.0.1:1');
  assert.match(explainFailure(refused, { url }), /another address: STRESS_URL=ws:\/\/host:port\/path\.$/);
  assert.match(
    explainFailure(refused, { url, setting: 'STRESS_LIMITED_URL', spelled: flagOf }),
    / \(--limited-url\): .*another address: --limited-url ws:\/\/host:port\/path\.$/,
  );
  const onIPv6 = explainFailure(refused, { url: 'ws://localhost:8003/ws/mcp', answersOnIPv6: true });
  assert.match(onIPv6, /::1 only, .*: use ws:\/\/\[::1\]:8003\/ws\/mcp, or/);
});

/** Go's rules (golang.org/x/net/http/httpproxy): of an address and an environment, the proxy. */
const proxies: readonly [address: string, env: Record<string, string>, proxy: string | undefined][] = [
  ['ws://a.b/x', {}, undefined],
  ['ws://a.b/x', { HTTP_PROXY: 'http://p:3128' }, 'http://p:3128'],
  ['ws://a.b/x', { http_proxy: 'p:3128' }, 'http://p:3128'],
  ['ws://a.b/x', { HTTP_PROXY: '', http_proxy: 'http://p' }, 'http://p'],
  ['ws://a.b/x', { HTTPS_PROXY: 'http://p' }, undefined],
  ['ws://a.b/x', { ALL_PROXY: 'http://p' }, undefined],
  ['wss://a.b/x', { HTTP_PROXY: 'http://p' }, undefined],
  ['wss://a.b/x', { HTTPS_PROXY: 'http://p' }, 'http://p'],
  ['wss://a.b/x', { HTTPS_PROXY: 'socks5://p:1' }, 'socks5://p:1'],
  ...['ws://localhost:1/x', 'ws://LOCALHOST/x', 'ws://127.0.0.1:1/x', 'ws://127.9.9.9/x', 'ws://[::1]:1/x'].map(
    (address): [string, Record<string, string>, undefined] => [address, { HTTP_PROXY: 'http://p' }, undefined],
  ),
  ...(
    [
      ['*', undefined],
      ['a.b', undefined],
      ['A.B', undefined],
      ['.b', undefined],
      ['*.b', undefined],
      ['b', undefined],
      ['a.b:80', undefined],
      ['x, a.b', undefined],
      ['a.b:81', 'http://p'],
      ['.a.b', 'http://p'],
      ['xa.b', 'http://p'],
      ['', 'http://p'],
    ] as const
  ).map(([exceptions, proxy]): [string, Record<string, string>, string | undefined] => [
    'ws://a.b/x',
    { HTTP_PROXY: 'http://p', NO_PROXY: exceptions },
    proxy,
  ]),
  ['ws://10.1.2.3/x', { HTTP_PROXY: 'http://p', NO_PROXY: '10.0.0.0/8' }, undefined],
  ['ws://11.1.2.3/x', { HTTP_PROXY: 'http://p', no_proxy: '10.0.0.0/8' }, 'http://p'],
];

for (const [address, env, expected] of proxies) {
  test(`the proxy of ${address} with ${JSON.stringify(env)} is ${expected ?? 'none'}`, () => {
    assert.equal(proxyOf(address, env)?.url, expected);
  });
}
