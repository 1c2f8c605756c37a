// Small run-time validators. A decoder takes what came from the wire and either returns a value of its type or throws
// `DecodeError`. Types are inferred from the decoders, so the two cannot drift apart.

export class DecodeError extends Error {
  constructor(path: string, expected: string) {
    super(`${path || 'value'}: expected ${expected}`);
    this.name = 'DecodeError';
  }
}

export type Decoder<T> = (value: unknown, path?: string) => T;
export type Decoded<D> = D extends Decoder<infer T> ? T : never;

export const string: Decoder<string> = (value, path = '') => {
  if (typeof value !== 'string') throw new DecodeError(path, 'a string');
  return value;
};

/** A count or a position: a non-negative integer that JSON numbers hold exactly. */
export const count: Decoder<number> = (value, path = '') => {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new DecodeError(path, 'a non-negative integer');
  return value as number;
};

export const boolean: Decoder<boolean> = (value, path = '') => {
  if (typeof value !== 'boolean') throw new DecodeError(path, 'true or false');
  return value;
};

const ID = /^[A-Za-z0-9_-]{1,64}$/;
export const id: Decoder<string> = (value, path = '') => {
  if (typeof value !== 'string' || !ID.test(value)) throw new DecodeError(path, 'an identifier');
  return value;
};

const HASH = /^[0-9a-f]{64}$/;
export const hash: Decoder<string> = (value, path = '') => {
  if (typeof value !== 'string' || !HASH.test(value)) throw new DecodeError(path, '64 hexadecimal digits');
  return value;
};

export function oneOf<const T extends readonly string[]>(...values: T): Decoder<T[number]> {
  return (value, path = '') => {
    if (typeof value !== 'string' || !values.includes(value))
      throw new DecodeError(path, values.join(' or '));
    return value as T[number];
  };
}

export function array<T>(item: Decoder<T>): Decoder<T[]> {
  return (value, path = '') => {
    if (!Array.isArray(value)) throw new DecodeError(path, 'a list');
    return value.map((entry, index) => item(entry, `${path}[${index}]`));
  };
}

/** Keeps the entries that decode: a list that may grow new kinds must not fail as a whole. */
export function lenientArray<T>(item: Decoder<T>): Decoder<T[]> {
  return (value, path = '') => {
    if (!Array.isArray(value)) throw new DecodeError(path, 'a list');
    return value.flatMap((entry) => {
      try {
        return [item(entry)];
      } catch {
        return [];
      }
    });
  };
}

/** Absent and null are the same on this wire. */
export function optional<T>(inner: Decoder<T>): Decoder<T | undefined> {
  return (value, path) => (value === undefined || value === null ? undefined : inner(value, path));
}

/** For members that are sent as null when there is nothing to say. */
export function nullable<T>(inner: Decoder<T>): Decoder<T | null> {
  return (value, path) => (value === undefined || value === null ? null : inner(value, path));
}

export function withDefault<T>(inner: Decoder<T>, fallback: T): Decoder<T> {
  return (value, path) => (value === undefined || value === null ? fallback : inner(value, path));
}

type Shape = Record<string, Decoder<unknown>>;
type OptionalKeys<S extends Shape> = {
  [K in keyof S]: undefined extends Decoded<S[K]> ? K : never;
}[keyof S];
type ObjectOf<S extends Shape> = { [K in Exclude<keyof S, OptionalKeys<S>>]: Decoded<S[K]> } & {
  [K in OptionalKeys<S>]?: Exclude<Decoded<S[K]>, undefined>;
};

/** An object with at least these members; others are dropped. */
export function object<S extends Shape>(shape: S): Decoder<ObjectOf<S>> {
  return (value, path = '') => {
    if (!isRecord(value)) throw new DecodeError(path, 'an object');
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(shape)) {
      const decoded = (shape[key] as Decoder<unknown>)(value[key], path ? `${path}.${key}` : key);
      if (decoded !== undefined) out[key] = decoded;
    }
    return out as ObjectOf<S>;
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
