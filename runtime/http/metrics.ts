/** What `GET /metrics` tells, in Prometheus' text format (0.0.4). */

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Labels = Readonly<Record<string, string | number>>;

/** A value of the moment. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
  readonly labels?: Labels;
}

/** Counts since the process began. */
export class Metrics {
  private readonly requests = new Map<string, number>();
  private readonly requestSeconds = new Histogram();
  private readonly predictSeconds = new Histogram();
  private predictions = 0;

  countRequest(route: string, status: number, seconds: number): void {
    const labels = labelsOf({ route, status });
    this.requests.set(labels, (this.requests.get(labels) ?? 0) + 1);
    this.requestSeconds.observe(seconds);
  }

  countPredictions(predictions: number, seconds: number): void {
    this.predictions += predictions;
    this.predictSeconds.observe(seconds);
  }

  text(gauges: readonly Gauge[]): string {
    const lines = [
      ...familyOf(
        'slim_requests_total',
        'counter',
        'Requests answered.',
        [...this.requests].map(([labels, count]) => `${labels} ${count}`),
      ),
      ...familyOf('slim_predictions_total', 'counter', 'Inputs classified.', [` ${this.predictions}`]),
      ...this.requestSeconds.lines('slim_request_duration_seconds', 'From the first byte of a request to its answer.'),
      ...this.predictSeconds.lines(
        'slim_predict_duration_seconds',
        'Waiting, preparing and inference of the inputs of a request.',
      ),
      ...gauges.flatMap(({ name, help, value, labels = {} }) =>
        familyOf(name, 'gauge', help, [`${labelsOf(labels)} ${value}`]),
      ),
    ];
    return `${lines.join('\n')}\n`;
  }
}

class Histogram {
  private readonly counts = BUCKETS_S.map(() => 0);
  private sum = 0;
  private count = 0;

  observe(seconds: number): void {
    BUCKETS_S.forEach((most, i) => {
      if (seconds <= most) this.counts[i]++;
    });
    this.sum += seconds;
    this.count++;
  }

  lines(name: string, help: string): string[] {
    const buckets = BUCKETS_S.map((most, i) => `${name}_bucket{le="${most}"} ${this.counts[i]}`);
    return [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} histogram`,
      ...buckets,
      `${name}_bucket{le="+Inf"} ${this.count}`,
      `${name}_sum ${this.sum}`,
      `${name}_count ${this.count}`,
    ];
  }
}

function familyOf(name: string, type: string, help: string, samples: readonly string[]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => `${name}${sample}`)];
}

function labelsOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${`${value}`.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
