import type { AppOptions } from '../http/app.ts';

/** How a deployed server is configured: environment variables, which every host has. `slim deploy` writes them. */
export const SETTINGS = {
  tokenDigest: 'SLIM_TOKEN_SHA256',
  ratePerMinute: 'SLIM_RATE_LIMIT',
  corsOrigins: 'SLIM_CORS_ORIGINS',
  maxBodyBytes: 'SLIM_MAX_BODY_BYTES',
  deadlineMs: 'SLIM_DEADLINE_MS',
} as const satisfies Partial<Record<keyof AppOptions, string>>;

type Setting = keyof typeof SETTINGS;

/**
 * The options that environment variables give; what is not set has the app's default. @throws Error naming a variable
 * that is set to something else.
 */
export function optionsFrom(environment: Readonly<Record<string, string | undefined>>): Pick<AppOptions, Setting> {
  const text = (setting: Setting): string | undefined => environment[SETTINGS[setting]] || undefined;
  const count = (setting: Setting): number | undefined => {
    const value = text(setting);
    if (value !== undefined && !/^[1-9]\d{0,11}$/.test(value))
      throw new Error(`${SETTINGS[setting]}: expected a whole number above 0, got ${JSON.stringify(value)}`);
    return value === undefined ? undefined : Number(value);
  };
  const tokenDigest = text('tokenDigest')?.toLowerCase();
  if (tokenDigest !== undefined && !/^[0-9a-f]{64}$/.test(tokenDigest))
    throw new Error(`${SETTINGS.tokenDigest}: expected 64 hexadecimal digits`);
  return {
    tokenDigest,
    ratePerMinute: count('ratePerMinute'),
    corsOrigins: text('corsOrigins')?.split(/[\s,]+/),
    maxBodyBytes: count('maxBodyBytes'),
    deadlineMs: count('deadlineMs'),
  };
}

/** The variables that give these options. */
export function settingsOf(options: Pick<AppOptions, Setting>): Record<string, string> {
  const names = Object.keys(SETTINGS) as Setting[];
  return Object.fromEntries(
    names.flatMap((name) =>
      options[name] === undefined ? [] : [[SETTINGS[name], `${[options[name]].flat().join(' ')}`]],
    ),
  );
}
