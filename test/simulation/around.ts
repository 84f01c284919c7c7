/** Looks at calls of a port: before each of the named methods, and again after it where the first look asks for that. */

type LookBefore = (...args: unknown[]) => Promise<void | (() => Promise<void>)>;

/** Everything that is not named goes straight through. The second look comes also after a call that failed. */
export function around<T extends object>(inner: T, before: Readonly<Record<string, LookBefore>>): T {
  return new Proxy(inner, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      const look = before[String(property)];
      if (!look) return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return async (...args: unknown[]): Promise<unknown> => {
        const after = await look(...args);
        try {
          return await (Reflect.apply(member, target, args) as Promise<unknown>);
        } finally {
          await after?.();
        }
      };
    },
  });
}
