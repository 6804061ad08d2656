/** Where Linux has the directory of a process; what started k6 may have left another one in PWD. */
const ownDirectory = '/proc/self/cwd';

/** k6 (2.2.0) refuses a directory with "open() can't be used with directories". */
const hasOwnDirectory = (): boolean => {
  try {
    open(ownDirectory);
    return false;
  } catch (error) {
    return String(error).includes('director') && !String(error).includes('no such');
  }
};

const tryOpen = (path: string): string | undefined => {
  try {
    return open(path);
  } catch {
    return undefined;
  }
};

/**
 * Reads a file in k6's init stage. k6 resolves `open()` against the bundle; a user means the directory of the process.
 * Throws an Error with a hint for the user, or without a message.
 */
export const readFile = (path: string): string => {
  const { PWD } = __ENV;
  const isRelative = !path.startsWith('/');
  const text = tryOpen(isRelative ? `${ownDirectory}/${path}` : path);
  if (text !== undefined) return text;
  if (!isRelative || hasOwnDirectory()) throw new Error('');
  const fromPwd = PWD === undefined ? undefined : tryOpen(`${PWD}/${path}`);
  if (fromPwd !== undefined) return fromPwd;
  throw new Error(PWD === undefined ? ' (PWD is not known here: give its full path)' : '');
};
