/** The folder of results, for the commands that read it. */
export const resultsFolder = {
  takes: 'folder',
  description: 'The folder of results, as given to ws-stress run. Default: here.',
} as const;

/** Output for programs. */
export const asJson = { description: 'Print it as JSON.' } as const;

/** Certificates of authorities, in place of the system's. */
export const certificates = {
  takes: 'file',
  description: "Certificates (PEM) to trust in place of the system's. [SSL_CERT_FILE]",
} as const;
