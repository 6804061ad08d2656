import path from 'node:path';

/** The folder of results, for the commands that read it. */
export const resultsFolder = {
  takes: 'folder',
  description: 'The folder of results, as given to ws-stress run. Default: here.',
} as const;

/** Output for programs. */
export const asJson = { description: 'Print it as JSON.' } as const;

/** The file of certificates to trust, absolute: the option's, or that of the variable, which k6 heeds too. */
export const certificatesFile = (option: string | undefined, env: NodeJS.ProcessEnv): string | undefined => {
  const file = option ?? (env.SSL_CERT_FILE || undefined);
  return file === undefined ? undefined : path.resolve(file);
};

/** Certificates of authorities, in place of the system's. */
export const certificates = {
  takes: 'file',
  description: "Certificates (PEM) to trust in place of the system's. [SSL_CERT_FILE]",
} as const;
