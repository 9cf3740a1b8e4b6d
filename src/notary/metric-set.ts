// SPDX-License-Identifier: Apache-2.0

/** Values of labels by name: all that the metric has. */
export type Labels = Readonly<Record<string, string>>;

interface Metric {
  /** Its lines in Prometheus text. */
  lines(): string[];
}

/**
 * The three kinds of metric that the notary has, in the Prometheus text format 0.0.4. Own code because a library for it
 * would be a sixth of the notary's bundle, and one observation with it costs as much as a hash.
 */
export class MetricSet {
  readonly #metrics: Metric[] = [];

  counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return this.#added(new Counter(name, help, labelNames));
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return this.#added(new Gauge(name, help, labelNames));
  }

  /** `bounds` ascend. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#added(new Histogram(name, help, bounds));
  }

  text(): string {
    return this.#metrics.flatMap((metric) => metric.lines()).join('');
  }

  #added<M extends Metric>(metric: M): M {
    this.#metrics.push(metric);
    return metric;
  }
}

/** One value for each combination of label values. */
class Values implements Metric {
  readonly #name: string;
  readonly #header: string;
  readonly #labelNames: readonly string[];
  readonly #values = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(name: string, help: string, type: 'counter' | 'gauge', labelNames: readonly string[]) {
    this.#name = name;
    this.#header = header(name, help, type);
    this.#labelNames = labelNames;
    // Without labels there is one value from the start, so that its first change is seen as one.
    if (labelNames.length === 0) this.at({});
  }

  lines(): string[] {
    const values = [...this.#values.values()];
    return [this.#header, ...values.map(({ labels, value }) => line(this.#name, labels, value))];
  }

  protected at(labels: Labels): { value: number } {
    let key = '';
    for (const name of this.#labelNames) key += `${labels[name] ?? ''}\0`;
    let entry = this.#values.get(key);
    if (!entry) this.#values.set(key, (entry = { labels, value: 0 }));
    return entry;
  }

  protected clear(): void {
    this.#values.clear();
  }
}

/** Only grows. */
export class Counter extends Values {
  constructor(name: string, help: string, labelNames: readonly string[]) {
    super(name, help, 'counter', labelNames);
  }

  inc(labels: Labels = {}): void {
    this.at(labels).value++;
  }
}

export class Gauge extends Values {
  constructor(name: string, help: string, labelNames: readonly string[]) {
    super(name, help, 'gauge', labelNames);
  }

  set(value: number, labels: Labels = {}): void {
    this.at(labels).value = value;
  }

  /** Forgets all values. */
  reset(): void {
    this.clear();
  }
}

/** How many observations lay at or below each bound, and their sum. */
export class Histogram implements Metric {
  readonly #name: string;
  readonly #header: string;
  readonly #bounds: readonly number[];
  /** By bound, not cumulated; the last is of those above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#header = header(name, help, 'histogram');
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.#bounds.length && value > (this.#bounds[index] ?? 0)) index++;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  lines(): string[] {
    let count = 0;
    const buckets = this.#counts.map((own, index) => {
      const le = this.#bounds[index];
      return line(`${this.#name}_bucket`, { le: le === undefined ? '+Inf' : String(le) }, (count += own));
    });
    return [this.#header, ...buckets, line(`${this.#name}_sum`, {}, this.#sum), line(`${this.#name}_count`, {}, count)];
  }
}

function header(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
