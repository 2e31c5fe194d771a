import { defer, firstValueFrom, retry, switchMap, throwError } from 'rxjs';

/** The metrics of a host, by their names with their labels. */
export type MetricValues = Readonly<Record<string, number | undefined>>;

/** The metrics of a host, by the URL of its metrics. */
export async function metricsOf(metricsUrl: string): Promise<MetricValues> {
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** The metrics, once they have these values: the host hears of some things a moment later than the caller. */
export function metricsUntil(metricsUrl: string, values: MetricValues): Promise<MetricValues> {
  const wanted = Object.entries(values);
  return firstValueFrom(
    defer(() => metricsOf(metricsUrl)).pipe(
      switchMap((now) => {
        if (wanted.every(([name, value]) => now[name] === value)) return [now];
        const seen = Object.fromEntries(wanted.map(([name]) => [name, now[name]]));
        const text = `not ${JSON.stringify(values)}: ${JSON.stringify(seen)}`;
        return throwError(() => new Error(text));
      }),
      retry({ delay: 10, count: 3000 }),
    ),
  );
}
