import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { packageRoot } from '../cli/shared/package-root.ts';
import { cleanEnv } from './k6.ts';

/** Reads a YAML file of this repository. */
export const readYaml = (file: string): unknown =>
  parse(readFileSync(path.join(packageRoot, file), 'utf8'), { merge: true });

/** Why no YAML file can be validated against the schema of its kind here; false where it can. */
export const noSchemas = (): string | false =>
  spawnSync('python3', ['-c', 'import check_jsonschema'], { env: cleanEnv() }).status === 0
    ? false
    : 'the Python package check-jsonschema is not installed';

/** What is wrong with a file by a schema that the Python package check-jsonschema brings along, such as `vendor.gitlab-ci`. */
export const schemaProblems = (schema: string, file: string): string => {
  const args = ['-m', 'check_jsonschema', '--builtin-schema', schema, path.join(packageRoot, file)];
  const { status, stdout, stderr } = spawnSync('python3', args, { env: cleanEnv(), encoding: 'utf8' });
  return status === 0 ? '' : `${file}: ${stdout}${stderr}`;
};
