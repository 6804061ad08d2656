import path from 'node:path';

/** The folder of results, for the commands that read it. */
export const resultsFolder = {
  takes: 'folder',
  description: 'The folder of results, as given to ws-stress run. Default: stress-results.',
} as const;

/** Output for programs. */
export const asJson = { description: 'Print it as JSON.' } as const;

/** The file of certificates to trust, absolute. */
export const certificatesFile = (option: string | undefined): string | undefined =>
  option === undefined ? undefined : path.resolve(option);

/** Certificates of authorities. */
export const certificates = {
  takes: 'file',
  description: "Certificates (PEM) to trust, in place of the system's file of them. [SSL_CERT_FILE]",
} as const;
