// Asks Prometheus for a panel's targets and answers in Grafana's data frames, as its own Prometheus
// data source would: one frame for a series of a range query, one table for an instant query.
import { FieldType, dateTime, rangeUtil, toDataFrame } from '@grafana/data';

export async function frames(panel, request) {
  const step = stepOf(panel, request);
  const answers = await Promise.all(
    (panel.targets ?? []).map((target) => ask(target, { ...request, step }))
  );
  return answers.flat();
}

// As many points as the panel wants, at most one for each scrape.
function stepOf({ maxDataPoints }, { from, to, step }) {
  if (!maxDataPoints) {
    return step;
  }
  const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
  return rangeUtil.calculateInterval(range, maxDataPoints, `${step}s`).intervalMs / 1000;
}

export async function annotations(board, request) {
  const wanted = board.annotations?.list?.filter((one) => one.enable && one.expr) ?? [];
  return Promise.all(
    wanted.map(async (one) => ({
      name: one.name,
      color: one.iconColor,
      times: times(await matrix(one.expr, request)),
    }))
  );
}

async function ask(target, request) {
  if (target.format === 'table') {
    return [table(target, await vector(target.expr, request))];
  }
  const found = target.instant
    ? (await vector(target.expr, request)).map(({ metric, value }) => ({ metric, values: [value] }))
    : await matrix(target.expr, request);
  return found.map((series) => frame(target, series, request));
}

function frame(target, { metric, values }, request) {
  const name = named(target.legendFormat, metric);
  return toDataFrame({
    refId: target.refId,
    name,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        config: { interval: request.step * 1000 },
        values: values.map(([at]) => at * 1000),
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: name },
        values: values.map(([, value]) => number(value)),
      },
    ],
  });
}

function table(target, found) {
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: found.map(({ value }) => value[0] * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: found.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: `Value #${target.refId}`,
        type: FieldType.number,
        values: found.map(({ value }) => number(value[1])),
      },
    ],
  });
}

const vector = (expr, { to, prometheus }) => query(prometheus, 'query', { query: expr, time: to });

const matrix = (expr, { from, to, step, prometheus }) =>
  query(prometheus, 'query_range', { query: expr, start: from, end: to, step });

async function query(prometheus, kind, parameters) {
  const answer = await fetch(`${prometheus}/api/v1/${kind}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') {
    throw new Error(`${body.error} in ${parameters.query}`);
  }
  return body.data.result;
}

const number = (text) => (text === 'NaN' ? null : Number(text.replace('Inf', 'Infinity')));

const named = (format, metric) => format.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '');

// Consecutive points are one event, as in Grafana.
function times(series) {
  return series.flatMap(({ values }) => {
    const told = values.filter(([, value]) => Number(value) > 0).map(([at]) => at);
    const step = Math.min(...told.slice(1).map((at, index) => at - told[index]));
    return told.filter((at, index) => index === 0 || at - told[index - 1] > step);
  });
}
