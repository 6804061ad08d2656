import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  createReadStream,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { outputProblems, overwritingProblems, writeOutput } from '../cli/shared/output-file.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

/** Writes a script that has the functions under test, and returns the arguments with which Node runs it. */
const scriptIn = (folder: string, lines: string): string[] => {
  const script = path.join(folder, 'script.mts');
  const module = JSON.stringify(path.join(packageRoot, 'cli/shared/output-file.ts'));
  writeFileSync(script, `import { outputProblems, writeOutput } from ${module};\n${lines}`);
  return ['--import', 'tsx', script];
};

void test('a file is made with the folders above it, and replaced as a whole with its mode kept', async (t) => {
  const base = temporaryDirectory(t);
  const file = path.join(base, 'a/b/out.json');
  assert.deepEqual(outputProblems({ '--out': file }), []);
  await writeOutput(file, 'first');
  chmodSync(file, 0o640);
  const { ino } = statSync(file);
  await writeOutput(file, 'second');
  assert.equal(readFileSync(file, 'utf8'), 'second');
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.notEqual(statSync(file).ino, ino, 'a reader of the old file keeps it whole');
  assert.deepEqual(readdirSync(path.dirname(file)), ['out.json']);
});

void test('what a link names is written, and the link stays', async (t) => {
  const base = temporaryDirectory(t);
  const [file, link, dangling] = ['file', 'link', 'dangling'].map((name) => path.join(base, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, 'before, and longer than what comes');
  symlinkSync('file', link);
  symlinkSync('made', dangling);
  await writeOutput(link, 'after');
  await writeOutput(dangling, 'made by it');
  assert.equal(readFileSync(file, 'utf8'), 'after');
  assert.equal(readFileSync(path.join(base, 'made'), 'utf8'), 'made by it');
  assert.ok(lstatSync(link).isSymbolicLink() && lstatSync(dangling).isSymbolicLink());

  const other = path.join(base, 'other name');
  linkSync(file, other);
  await writeOutput(other, 'both');
  assert.equal(readFileSync(file, 'utf8'), 'both');
  assert.deepEqual(readdirSync(base).toSorted(), ['dangling', 'file', 'link', 'made', 'other name']);
});

void test('a named pipe takes the text and stays one', async (t) => {
  const pipe = path.join(temporaryDirectory(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const text = 'x'.repeat(200_000);
  const reader = createReadStream(pipe, 'utf8');
  let received = '';
  reader.on('data', (part) => (received += part.toString()));
  assert.deepEqual(outputProblems({ '--out': pipe }), []);
  await Promise.all([writeOutput(pipe, text), once(reader, 'end')]);
  assert.equal(received, text);
  assert.ok(lstatSync(pipe).isFIFO());
});

void test('a device is written to and stays one', { skip: !isRoot && 'only root can make a device' }, async (t) => {
  const device = path.join(temporaryDirectory(t), 'device');
  const made = spawnSync('mknod', [device, 'c', '1', '3']);
  if (made.status !== 0) return t.skip('this system lets nobody make a device');
  await writeOutput(device, 'text');
  assert.ok(lstatSync(device).isCharacterDevice());
  assert.deepEqual(readdirSync(path.dirname(device)), ['device']);
});

void test('standard output by its name in the file system keeps what is written before and after', async (t) => {
  const base = temporaryDirectory(t);
  const args = scriptIn(
    base,
    `process.stdout.write('before\\n');
    await writeOutput('/dev/stdout', 'text\\n');
    await writeOutput('-', 'more\\n');
    process.stdout.write('after\\n');`,
  );
  const shell = `"${process.execPath}" ${args.map((arg) => `"${arg}"`).join(' ')} > "${base}/out"`;
  const { code, stderr } = await runProgram('sh', ['-c', shell], { cwd: packageRoot });
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(path.join(base, 'out'), 'utf8'), 'before\ntext\nmore\nafter\n');
});

void test('an error names the file, the reason and a remedy, and nothing half made is left', async (t) => {
  const base = temporaryDirectory(t);
  writeFileSync(path.join(base, 'taken'), '');
  for (const [file, expected] of [
    [path.join(base, 'taken/out'), /taken\/out could not be written: ENOTDIR.*; name a file in a folder$/],
    [base, /could not be written: EISDIR.*; name a file in this folder$/],
  ] as const) {
    await assert.rejects(writeOutput(file, 'text'), expected);
  }
  assert.deepEqual(readdirSync(base), ['taken']);
  const [folder, below, ...none] = outputProblems({
    '--json': base,
    '--out': path.join(base, 'taken/out'),
    '--a': '-',
    '--b': '',
    '--c': undefined,
    '--d': path.join(base, 'not/there/yet'),
  });
  assert.match(folder ?? '', /^--json: expected a file that can be written: .* is a folder; name a file in it$/);
  assert.match(below ?? '', /^--out: expected a file that can be written: ENOTDIR/);
  assert.deepEqual(none, []);
});

void test('a folder that takes no new file is refused, and a file in it that may be written is', async (t) => {
  const base = temporaryDirectory(t);
  chmodSync(base, 0o755);
  const folder = path.join(base, 'folder');
  mkdirSync(folder);
  const [open, closed, fresh] = ['open', 'closed', 'new'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(open, 'before');
  writeFileSync(closed, 'before');
  chmodSync(open, 0o666);
  chmodSync(closed, 0o444);
  chmodSync(folder, 0o555);
  const args = scriptIn(
    base,
    `const [, , open, ...others] = process.argv;
    await writeOutput(open, 'after');
    for (const file of others) {
      console.log(outputProblems({ '--out': file }).join());
      await writeOutput(file, 'x').catch((error) => console.log(error.message));
    }`,
  );
  // Permissions do not apply to root.
  const { stdout, stderr } = spawnSync(process.execPath, [...args, open, closed, fresh], {
    cwd: packageRoot,
    encoding: 'utf8',
    ...(isRoot && { uid: nobody, gid: nobody }),
  });
  const lines = stdout.trim().split('\n');
  assert.equal(lines.length, 4, stdout + stderr);
  for (const [index, line] of lines.entries()) {
    if (index % 2 === 0) assert.match(line, /^--out: expected a file that can be written: EACCES/);
    else assert.match(line, /could not be written: EACCES.*; name a file that you may write$/);
  }
  assert.equal(readFileSync(open, 'utf8'), 'after');
  assert.equal(readFileSync(closed, 'utf8'), 'before');
  assert.ok(!existsSync(fresh));
  assert.deepEqual(readdirSync(folder).toSorted(), ['closed', 'open']);
});

void test('a file that a link names is replaced as a whole too, through any number of links', async (t) => {
  const base = temporaryDirectory(t);
  const [file, near, far, away] = ['file', 'near', 'far', 'away'].map((name) => path.join(base, name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(file, 'before');
  symlinkSync('file', near);
  symlinkSync(near, far);
  const { ino } = statSync(file);
  await writeOutput(far, 'after');
  assert.equal(readFileSync(file, 'utf8'), 'after');
  assert.notEqual(statSync(file).ino, ino, 'a reader of the old file keeps it whole');
  assert.ok(lstatSync(near).isSymbolicLink() && lstatSync(far).isSymbolicLink());

  symlinkSync('not/there/yet', away);
  assert.deepEqual(outputProblems({ '--out': away }), []);
  await writeOutput(away, 'made by it');
  assert.equal(readFileSync(path.join(base, 'not/there/yet'), 'utf8'), 'made by it');
});

void test('a file whose name is as long as a name can be is written', async (t) => {
  const base = temporaryDirectory(t);
  const name = 'a'.repeat(255);
  await writeOutput(path.join(base, name), 'text');
  assert.deepEqual(readdirSync(base), [name]);
});

void test('a named pipe that nothing reads is given up with the reason', async (t) => {
  const pipe = path.join(temporaryDirectory(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  await assert.rejects(
    writeOutput(pipe, 'text'),
    /could not be written: ENXIO.*; nothing reads this named pipe: start its reader before$/,
  );
  assert.ok(lstatSync(pipe).isFIFO());
});

void test('a file that is a mount of its own is written to', { skip: !isRoot && 'only root can mount' }, async (t) => {
  const base = temporaryDirectory(t);
  const [mounted, place] = [path.join(base, 'mounted'), path.join(base, 'place')];
  writeFileSync(mounted, 'before');
  writeFileSync(place, '');
  const args = scriptIn(base, 'await writeOutput(process.argv[2], "after");');
  const shell = `mount --bind "${mounted}" "${place}" || exit 77; "${process.execPath}" ${args.map((arg) => `"${arg}"`).join(' ')} "${place}"`;
  const { code, stderr } = await runProgram('unshare', ['-m', 'sh', '-c', shell], { cwd: packageRoot });
  if (code === 77 || /unshare/.test(stderr)) return t.skip('this system lets nobody mount');
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(mounted, 'utf8'), 'after');
  assert.deepEqual(readdirSync(base).toSorted(), ['mounted', 'place', 'script.mts']);
});

void test('a folder by its name and a socket are refused beforehand', async (t) => {
  const base = temporaryDirectory(t);
  const server = createServer().listen(path.join(base, 'socket'));
  t.after(() => server.close());
  await once(server, 'listening');
  const [folder, socket] = outputProblems({
    '--a': path.join(base, 'new/'),
    '--b': path.join(base, 'socket'),
  });
  assert.match(folder ?? '', /^--a: .*new\/ names a folder; name a file in it$/);
  assert.match(socket ?? '', /^--b: .*socket is a socket; name a file or a pipe$/);
});

void test('two options cannot name one file, nor one that is read', (t) => {
  const base = temporaryDirectory(t);
  const [file, link, fresh] = ['file', 'link', 'new'].map((name) => path.join(base, name)) as [string, string, string];
  writeFileSync(file, '');
  symlinkSync('file', link);
  assert.deepEqual(overwritingProblems({ '--a': file, '--b': fresh, '--c': '-', '--d': '-', '--e': undefined }), []);
  assert.deepEqual(overwritingProblems({ '--a': link }, { '--commands': file }), [
    `--a: expected a file of its own, received that of --commands: ${link}`,
  ]);
  assert.deepEqual(overwritingProblems({ '--a': fresh, '--b': path.join(base, '.', 'new') }), [
    `--b: expected a file of its own, received that of --a: ${fresh}`,
  ]);
  assert.equal(spawnSync('mkfifo', [path.join(base, 'pipe')]).status, 0);
  const pipe = path.join(base, 'pipe');
  assert.deepEqual(overwritingProblems({ '--a': pipe, '--b': pipe }), []);
});
