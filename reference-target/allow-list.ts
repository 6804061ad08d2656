/** Whether a command may run; if not, the reason. */
export type Judgement = { allowed: true } | { allowed: false; reason: string };

const allowedJudgement: Judgement = { allowed: true };
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;
const blank = /[ \t]/;
const ioNumber = /^[0-9]+$/;
/** Redirections that open no file: to another descriptor, or to or from /dev/null. */
const harmlessRedirection = /^(?:>&[0-9]|>[ \t]*\/dev\/null|<[ \t]*\/dev\/null)(?=[ \t\n;|&]|$)/;
const operator = /^(?:&&|\|\||[;|&\n])/;

/** Builtins whose arguments some shells evaluate as arithmetic, in which a subscript can run a command. */
const evaluating = new Set(
  'printf wait exit return shift break continue kill ulimit umask cd pushd popd dirs'.split(' '),
);
/** Builtins with a first option that sets a variable in some shells. */
const optionSetsVariable = new Set(['printf', 'wait']);
/** The printf conversion that stores a count in a variable (bash). */
const storingConversion = /%[-+ #0-9.*'hlLjztq$]*n/;

/** Words that run, redefine or look up other words in some shell: a list that has one of them allows anything. */
const unjudgeable = new Set(
  (
    'if then else elif fi do done case esac while until for in function select time coproc ' +
    'eval exec command builtin source trap alias unalias enable hash jobs fc bind complete compgen ' +
    'read mapfile readarray export readonly unset local declare typeset let getopts set shopt test'
  ).split(' '),
);

/** Well-known programs that can run other programs or write any file. */
const interpreters = new Set(
  (
    'sh ash bash dash ksh mksh zsh fish csh tcsh busybox toybox env xargs parallel nohup nice ionice setsid timeout ' +
    'stdbuf chroot unshare nsenter sudo doas su runuser ssh scp rsync docker podman kubectl find fd awk gawk mawk nawk ' +
    'sed ed ex vi vim nvim emacs less more man python python2 python3 perl ruby node nodejs deno bun php lua tclsh expect ' +
    'gdb make git tar zip cpio sort split watch script strace ltrace flock at batch crontab systemd-run npm npx pip go cargo ' +
    'java jshell bc dc m4 gcc cc tee dd cp mv ln install'
  ).split(' '),
);

/** The problems of an allow-list itself, one sentence each. */
export const allowListProblems = (allowed: readonly string[]): string[] => {
  const problems: string[] = [];
  if (allowed.length === 0) problems.push('expected at least one command name, for example echo,ls');
  for (const name of allowed) {
    if (!plainName.test(name)) {
      problems.push(`expected plain command names (letters, digits and _ . + -), received ${JSON.stringify(name)}`);
    } else if (unjudgeable.has(name)) {
      problems.push(
        `"${name}" makes the shell run or redefine other words, so the target cannot judge what it does: leave it out`,
      );
    }
  }
  return problems;
};

/** The entries of an allow-list that can start any program: with them the list protects little. */
export const interpretersIn = (allowed: readonly string[]): string[] =>
  allowed.filter((name) => interpreters.has(name.replace(/[0-9.]+$/, '')) || interpreters.has(name));

/**
 * Judges a command for `/bin/sh`. It is allowed only if the command word of each simple command is a plain literal name in
 * the list and nothing could hide another command. What cannot be judged is refused.
 */
export const judge = (command: string, allowed: ReadonlySet<string>): Judgement => {
  const scanner = new Scanner(command, allowed);
  const reason = scanner.scan();
  return reason === undefined ? allowedJudgement : { allowed: false, reason };
};

/** Judges a command only by its first word, as the deployed service does: whatever follows runs. */
export const evaluateFirstWord = (command: string, allowed: ReadonlySet<string>): Judgement => {
  const [word = ''] = command.trim().split(/\s/);
  return allowed.has(word) ? allowedJudgement : { allowed: false, reason: `"${word}" is not in the allow-list` };
};

/** The reason to refuse an argument of a builtin, or undefined. */
const argumentProblem = (name: string, word: Word, isFirst: boolean): string | undefined => {
  if (!evaluating.has(name)) return undefined;
  if (word.expands || /[$`]/.test(word.text)) {
    return `arguments of ${name} with $, \` or patterns are refused: some shells evaluate them`;
  }
  if (isFirst && optionSetsVariable.has(name) && word.text.startsWith('-')) {
    return `an option of ${name} is refused: in some shells it sets variables`;
  }
  if (isFirst && name === 'printf' && storingConversion.test(word.text)) {
    return 'a printf format with %n is refused: in some shells it sets variables';
  }
  return undefined;
};

/** A word after the shell's quote removal. */
interface Word {
  text: string;
  /** It has no quote, no backslash and nothing that the shell expands: its text is what the shell sees. */
  plain: boolean;
  /** The shell may expand it (glob, brace, tilde), so its final text is unknown. */
  expands: boolean;
}

/** Scans a command once, by the part of the grammar of XCU §2.10 that has lists and pipelines of simple commands. */
class Scanner {
  private readonly text: string;
  private readonly allowed: ReadonlySet<string>;
  private at = 0;

  constructor(text: string, allowed: ReadonlySet<string>) {
    this.text = text;
    this.allowed = allowed;
  }

  /** The reason to refuse, or undefined. */
  scan(): string | undefined {
    // Shells differ in which control characters they treat as blanks, and no command needs one.
    // oxlint-disable-next-line no-control-regex -- it looks for them
    if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(this.text)) return 'control characters are refused';
    this.skip(/[ \t\n]/);
    if (this.ended) return 'the command is empty';
    for (;;) {
      const reason = this.simpleCommand();
      if (reason !== undefined) return reason;
      const found = operator.exec(this.rest)?.[0];
      if (found === undefined) return undefined;
      this.at += found.length;
      // A command must follow &&, || and |, possibly on the next line; it may follow ; & and a newline.
      this.skip(found === ';' || found === '&' ? blank : /[ \t\n]/);
      const mayEnd = found === ';' || found === '&' || found === '\n';
      if (mayEnd) {
        if (this.rest.startsWith('\n')) this.skip(/[ \t\n]/);
        if (this.ended) return undefined;
      }
    }
  }

  private get ended(): boolean {
    return this.at >= this.text.length;
  }

  private get rest(): string {
    return this.text.slice(this.at);
  }

  private skip(what: RegExp): void {
    while (!this.ended && what.test(this.text.charAt(this.at))) this.at += 1;
  }

  /** Reads a simple command up to the next operator; returns the reason to refuse it, or undefined. */
  private simpleCommand(): string | undefined {
    const name = this.word();
    if (typeof name === 'string') return name;
    if (name === undefined) return 'expected a command word; operators without a command are refused';
    if (!name.plain || !plainName.test(name.text)) return `"${name.text}" is not a plain command name`;
    if (!this.allowed.has(name.text)) return `"${name.text}" is not in the allow-list`;

    let first = true;
    for (;;) {
      this.skip(blank);
      if (this.ended || operator.test(this.rest)) return undefined;
      const redirected = this.redirection();
      if (redirected === true) continue;
      if (redirected !== false) return redirected;
      const word = this.word();
      if (typeof word === 'string') return word;
      if (word === undefined) return 'expected a word';
      const reason = argumentProblem(name.text, word, first);
      if (reason !== undefined) return reason;
      first = false;
    }
  }

  /** Returns true if it read a harmless redirection, false if there is none here, else the reason to refuse it. */
  private redirection(): boolean | string {
    const digits = /^[0-9]*(?=[<>])/.exec(this.rest)?.[0];
    if (digits === undefined) return false;
    const found = harmlessRedirection.exec(this.text.slice(this.at + digits.length))?.[0];
    if (found === undefined) return 'redirections are refused, except to a descriptor (2>&1) and /dev/null';
    this.at += digits.length + found.length;
    return true;
  }

  /** Reads one word; returns undefined if none starts here, or the reason to refuse it as a string. */
  private word(): Word | string | undefined {
    const word: Word = { text: '', plain: true, expands: false };
    const start = this.at;
    while (!this.ended) {
      const character = this.text.charAt(this.at);
      if (' \t\n;&|'.includes(character)) break;
      if ('<>'.includes(character)) {
        // `{name}>file` sets a variable in bash; digits alone are a descriptor, which redirection() reads.
        if (this.at === start || !ioNumber.test(word.text)) return 'a redirection directly after a word is refused';
        return 'redirections before the command are refused';
      }
      if ('()'.includes(character)) return 'parentheses (subshells, functions, patterns) are refused';
      if (character === '$') return 'expansions ($) are refused outside single quotes';
      if (character === '`') return 'command substitution (`) is refused';
      if (character === '#' && this.at === start) return 'comments are refused';
      if (character === "'" || character === '"' || character === '\\') {
        const reason = this.quoted(character, word);
        if (reason !== undefined) return reason;
        continue;
      }
      if (character > '~') return 'characters beyond ASCII are refused outside quotes';
      if ('*?[]{}~!^='.includes(character)) word.plain = false;
      if ('*?[]{}~'.includes(character)) word.expands = true;
      word.text += character;
      this.at += 1;
    }
    return this.at === start ? undefined : word;
  }

  /** Adds a quoted part or an escaped character to the word; returns the reason to refuse it, or undefined. */
  private quoted(quote: string, word: Word): string | undefined {
    word.plain = false;
    this.at += 1;
    if (quote === '\\') return this.escaped(word);
    while (!this.ended) {
      const character = this.text.charAt(this.at);
      this.at += 1;
      if (character === quote) return undefined;
      if (quote === '"') {
        if (character === '$') return 'expansions ($) are refused outside single quotes';
        if (character === '`') return 'command substitution (`) is refused';
        if (character === '\\' && '$`"\\\n'.includes(this.text.charAt(this.at))) {
          const reason = this.escaped(word);
          if (reason !== undefined) return reason;
          continue;
        }
      }
      word.text += character;
    }
    return `an opening ${quote} has no closing one`;
  }

  private escaped(word: Word): string | undefined {
    if (this.ended) return 'a backslash at the end is refused';
    const character = this.text.charAt(this.at);
    if (character === '\n') return 'a backslash before a newline is refused';
    if (character > '~') return 'characters beyond ASCII are refused outside quotes';
    word.text += character;
    this.at += 1;
    return undefined;
  }
}
