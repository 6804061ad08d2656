/**
 * Reads a file in k6's init stage. k6 resolves `open()` against the bundle; a user means the directory they stand in.
 * Throws an Error with a hint for the user, or without a message.
 */
export const readFile = (path: string): string => {
  const { PWD } = __ENV;
  const relative = !path.startsWith('/');
  try {
    return open(relative && PWD !== undefined ? `${PWD}/${path}` : path);
  } catch {
    throw new Error(relative && PWD === undefined ? ' (PWD is not known here: give its full path)' : '');
  }
};
