import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/** A port of loopback that nothing listens on now. */
const freePort = async (): Promise<number> => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

/**
 * The variables by which k6 serves its web dashboard, on loopback only; says on stderr where. Its port is a free one, unless
 * K6_WEB_DASHBOARD_PORT names another.
 */
export const dashboardEnvironment = async (env: NodeJS.ProcessEnv): Promise<Record<string, string>> => {
  const port = env.K6_WEB_DASHBOARD_PORT || String(await freePort());
  console.error(`k6's dashboard, while the run lasts: http://127.0.0.1:${port}/`);
  console.error('k6 ends once the run is over and no browser shows the dashboard any more');
  return {
    K6_WEB_DASHBOARD: 'true',
    K6_WEB_DASHBOARD_OPEN: 'false',
    K6_WEB_DASHBOARD_HOST: '127.0.0.1',
    K6_WEB_DASHBOARD_PORT: port,
  };
};
