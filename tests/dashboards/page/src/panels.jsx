// The panel types that Grafana's packages carry, drawn by their components from configured frames.
import {
  FieldType,
  VizOrientation,
  dateTime,
  getFieldDisplayValues,
  renderTextPanelMarkdown,
  getDisplayValueAlignmentFactors,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { Marks } from './marks.jsx';

export function Content({ panel, data, request, theme, marks, width, height }) {
  const Kind = KINDS[panel.type];
  if (!Kind) {
    throw new Error(`no component of Grafana's packages draws ${panel.type}`);
  }
  return <Kind {...{ panel, data, request, theme, marks, width, height }} />;
}

function Lines({ panel, data, request, marks, width, height }) {
  if (!data.length) {
    return <Nothing panel={panel} />;
  }
  const from = dateTime(request.from * 1000);
  const to = dateTime(request.to * 1000);
  return (
    <TimeSeries
      frames={data}
      width={width}
      height={height}
      legend={panel.options.legend}
      timeRange={{ from, to, raw: { from, to } }}
      timeZone="utc"
      options={panel.options}
    >
      {(config) => <Marks config={config} marks={marks} />}
    </TimeSeries>
  );
}

function Stats({ panel, data, theme, width, height }) {
  const { options } = panel;
  return (
    <VizRepeater
      source={data}
      getValues={() => displayed(panel, data, theme)}
      renderValue={(told) => (
        <BigValue
          value={told.value.display}
          sparkline={told.value.sparkline}
          count={told.count}
          width={told.width}
          height={told.height}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          text={options.text}
          theme={theme}
        />
      )}
      width={width}
      height={height}
      itemSpacing={3}
      autoGrid={true}
      orientation={options.orientation ?? VizOrientation.Auto}
      renderCounter={0}
    />
  );
}

function Bars({ panel, data, theme, width, height }) {
  const { options } = panel;
  return (
    <VizRepeater
      source={data}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={() => displayed(panel, data, theme)}
      renderValue={(told) => (
        <BarGauge
          value={told.value.display}
          field={told.value.field}
          display={told.value.view?.getFieldDisplayProcessor(told.value.colIndex)}
          alignmentFactors={told.alignmentFactors}
          width={told.width}
          height={told.height}
          orientation={told.orientation}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled}
          text={options.text}
          lcdCellWidth={12}
          itemSpacing={8}
          theme={theme}
        />
      )}
      width={width}
      height={height}
      minVizHeight={options.minVizHeight}
      minVizWidth={options.minVizWidth}
      maxVizHeight={options.maxVizHeight}
      itemSpacing={8}
      orientation={options.orientation}
      renderCounter={0}
    />
  );
}

function Grid({ panel, data, width, height }) {
  const [frame] = data;
  if (!frame?.length) {
    return <Nothing panel={panel} />;
  }
  const { cellHeight, sortBy } = panel.options;
  return <TableNG {...{ data: frame, width, height, cellHeight, sortBy }} />;
}

function Text({ panel }) {
  const html = renderTextPanelMarkdown(panel.options.content);
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}

const Nothing = ({ panel }) => (
  <div className="nothing">{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</div>
);

const displayed = (panel, data, theme) =>
  getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: (text) => text,
    sparkline: panel.options.graphMode === 'area',
    data,
    theme,
    timeZone: 'utc',
  });

export const seriesIn = (data) =>
  data.flatMap(({ fields }) => fields.filter(({ type }) => type === FieldType.number)).length;

const KINDS = { timeseries: Lines, stat: Stats, bargauge: Bars, table: Grid, text: Text };
