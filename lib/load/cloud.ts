/** A load zone of Grafana Cloud k6 and its share of the load. */
export interface ZoneShare {
  zone: string;
  /** Whole, of 100. */
  percent: number;
}

/** What Grafana Cloud k6 is told of a run. */
export interface CloudSettings {
  /** Runs of one name are one load test there. */
  name: string | undefined;
  /** Id of the project that a run belongs to. */
  project: number | undefined;
  /** Where the load comes from. */
  zones: readonly ZoneShare[] | undefined;
}

/** What is expected of STRESS_CLOUD_ZONES. */
export const expectedZones = 'load zones with whole percents that add up to 100, each zone once, separated by commas';

/** Load zones with their shares, of `zone=percent,zone=percent` or of one zone alone; undefined where the text is none. */
export const parseZones = (text: string): ZoneShare[] | undefined => {
  const zones: ZoneShare[] = [];
  for (const part of text.split(',')) {
    const [, zone = '', percent] = /^\s*([a-z0-9][a-z0-9:._-]{0,99})(?:=(\d{1,3}))?\s*$/i.exec(part) ?? [];
    if (zone === '' || zones.some((other) => other.zone === zone)) return undefined;
    zones.push({ zone, percent: percent === undefined ? 0 : Number(percent) });
  }
  const [first] = zones;
  if (zones.length === 1 && first?.percent === 0 && !text.includes('=')) return [{ zone: first.zone, percent: 100 }];
  const sum = zones.reduce((total, { percent }) => total + percent, 0);
  return sum === 100 && zones.every(({ percent }) => percent > 0) ? zones : undefined;
};

/** k6's `options.cloud` of a scenario: its name there, its project, and where its load comes from. */
export const cloudOptions = (test: string, { name, project, zones }: CloudSettings): Record<string, unknown> => ({
  name: name ?? `websocket-mcp-stress: ${test}`,
  ...(project !== undefined && { projectID: project }),
  ...(zones && {
    // The labels are names of environment variables there.
    distribution: Object.fromEntries(
      zones.map(({ zone, percent }) => [zone.replaceAll(/[^A-Za-z0-9]/g, '_'), { loadZone: zone, percent }]),
    ),
  }),
});
