/**
 * The log: one JSON object per line on stderr, or something for a person at a terminal. Secrets are taken out here,
 * whatever a caller or a library put in.
 */
import { pino, stdTimeFunctions } from 'pino';
import type { LogFields, Logger } from '../ports/logger.ts';
import { redactor } from './redaction.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes one line, with its line end. */
  readonly write?: (line: string) => void;
  /** The secret values known by now; asked for every line. */
  readonly redact: () => readonly string[];
  /** For people instead of machines. */
  readonly pretty?: boolean;
}

export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? ((line: string): void => void process.stderr.write(line));
  const destination = { write: options.pretty === true ? (line: string): void => write(prettyLine(line)) : write };
  const log = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'text',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Errors are turned into plain objects below, causes and all.
      serializers: {},
    },
    destination,
  );
  const at =
    (level: LogLevel) =>
    (fields: LogFields, text: string): void => {
      if (!log.isLevelEnabled(level)) return;
      const redact = redactor(options.redact());
      log[level](fieldsFrom(redact.value(fields)), redact.text(text));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Names that the line itself uses are kept under another name, instead of twice in one object. */
const ownKeys = new Set(['level', 'time', 'text']);

function fieldsFrom(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return { value };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [ownKeys.has(key) ? `${key}_` : key, item]));
}

function prettyLine(line: string): string {
  const { level, time, text, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const stacks: string[] = [];
  const parts = Object.entries(fields).map(([key, value]) => {
    if (isLoggedError(value)) {
      stacks.push(value.stack);
      return `${key}=${JSON.stringify(value.message)}`;
    }
    return `${key}=${typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`;
  });
  const head = [String(time).slice(11, 23), String(level).padEnd(5), String(text), ...parts].join(' ');
  return [head, ...stacks.map((stack) => stack.replaceAll(/^/gm, '    '))].join('\n') + '\n';
}

function isLoggedError(value: unknown): value is { message: string; stack: string } {
  return typeof value === 'object' && value !== null && 'stack' in value && 'message' in value;
}
