import { commandVariable } from './descendants.ts';

/**
 * Variables by which a shell or the C library reads a command in another way than `judge`: the locale (a multibyte character
 * can end in a backslash or a quote), start-up files, shell options, separators, and where names are looked up. All of bash's
 * own variables and exported functions begin with BASH.
 */
const changesReading =
  /^(?:BASH.*|LANG|LANGUAGE|LC_.*|LOCPATH|NLSPATH|CHARSET|ENV|ZDOTDIR|FPATH|IFS|SHELLOPTS|KSH_.*|PS[0-4]|PROMPT_COMMAND|CDPATH|GLOBIGNORE|EXECIGNORE|POSIXLY_CORRECT|POSIX_PEDANTIC|TMOUT)$/;

/** Secrets of the target and of a run that started it, and what marks processes of a target around this one. */
const notPassedOn = new Set([
  'WS_STRESS_TARGET_TOKEN',
  'STRESS_TOKEN',
  'STRESS_HEADERS',
  'STRESS_HELPER_TOKEN',
  commandVariable,
]);

/** UTF-8, in which no byte of a longer character is an ASCII one; a system without it falls back to C, which has single bytes. */
const locale = 'C.UTF-8';

/** The environment of commands: that of the target, without its secrets and without what changes how a shell reads a command. */
export const shellEnvironment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const kept = Object.entries(environment).filter(
    ([name, value]) =>
      !changesReading.test(name) &&
      !notPassedOn.has(name) &&
      // Old versions of bash take any variable with such a value for an exported function.
      value?.startsWith('() {') !== true,
  );
  return { ...Object.fromEntries(kept), LC_ALL: locale };
};
