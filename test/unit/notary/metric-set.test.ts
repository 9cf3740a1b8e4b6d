// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { MetricSet } from '../../../src/notary/metric-set.ts';

describe('metrics as Prometheus text', () => {
  it('counts by labels, whatever their order', () => {
    const set = new MetricSet();
    const requests = set.counter('requests_total', 'Requests.', ['operation', 'result']);
    requests.inc({ operation: 'issue', result: 'Ok' });
    requests.inc({ result: 'Ok', operation: 'issue' });
    requests.inc({ operation: 'issue', result: 'Overloaded' });
    expect(set.text()).toBe(
      '# HELP requests_total Requests.\n# TYPE requests_total counter\n' +
        'requests_total{operation="issue",result="Ok"} 2\nrequests_total{operation="issue",result="Overloaded"} 1\n',
    );
  });

  it('has a value without labels from the start, and one with labels when it is known', () => {
    const set = new MetricSet();
    set.counter('refused_total', 'Refused.');
    set.gauge('ready', 'Ready.', ['reason']);
    expect(set.text()).toContain('refused_total 0\n');
    expect(set.text()).not.toContain('ready{');
  });

  it('forgets the values of a gauge that is set anew', () => {
    const set = new MetricSet();
    const ready = set.gauge('ready', 'Ready.', ['reason']);
    ready.set(0, { reason: 'TokenAbsent' });
    ready.reset();
    ready.set(1, { reason: '' });
    expect(set.text()).toContain('ready{reason=""} 1\n');
    expect(set.text()).not.toContain('TokenAbsent');
  });

  it('cumulates observations by their bounds, which belong to the lower bucket', () => {
    const set = new MetricSet();
    const seconds = set.histogram('seconds', 'Time.', [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 3]) seconds.observe(value);
    expect(set.text().split('\n').slice(2)).toEqual([
      'seconds_bucket{le="0.1"} 2',
      'seconds_bucket{le="1"} 3',
      'seconds_bucket{le="+Inf"} 4',
      'seconds_sum 3.65',
      'seconds_count 4',
      '',
    ]);
  });

  it('escapes what would break a line', () => {
    const set = new MetricSet();
    set.gauge('odd', 'One\nline \\ only.', ['text']).set(1, { text: 'a "b"\n\\' });
    expect(set.text()).toBe('# HELP odd One\\nline \\\\ only.\n# TYPE odd gauge\nodd{text="a \\"b\\"\\n\\\\"} 1\n');
  });
});
