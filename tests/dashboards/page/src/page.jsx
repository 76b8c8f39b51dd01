// Draws one dashboard: Grafana's grid, its panel frame, its components. `window.draw` takes
// {board, prometheus, from, to, step, theme}, times in Unix seconds, and tells what was drawn.
import 'uplot/dist/uPlot.min.css';
import './page.css';
import { ThemeContext, createTheme, transformDataFrame } from '@grafana/data';
import { GlobalStyles, PanelChrome, PanelContextProvider } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { register, withConfig } from './fields.js';
import { measured } from './measured.js';
import { Content, seriesIn } from './panels.jsx';
import { annotations, frames } from './prometheus.js';

const COLUMNS = 24;
const CELL_PIXELS = 30;
const GAP_PIXELS = 8;

const root = createRoot(document.getElementById('board'));
register();

// The size of a figure depends on its typeface, so that has to be there before it is measured.
async function dressed(theme) {
  root.render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
    </ThemeContext.Provider>
  );
  await settled();
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 16px Inter`)));
}

window.draw = async (request) => {
  const theme = createTheme({ colors: { mode: request.theme } });
  await dressed(theme);
  const marks = await annotations(request.board, request);
  const panels = await Promise.all(flat(request.board.panels).map((panel) => filled(panel, request, theme)));
  root.render(<Board {...{ request, panels, marks, theme }} />);
  await settled();
  return {
    marks: Object.fromEntries(marks.map(({ name, times }) => [name, times.length])),
    panels: panels.map(({ panel, data }) => ({
      id: panel.id,
      title: panel.title,
      type: panel.type,
      series: seriesIn(data),
      rows: Math.max(0, ...data.map((frame) => frame.length)),
      ...measured(panel.id),
    })),
  };
};

const flat = (panels) => panels.flatMap((panel) => [{ ...panel, panels: undefined }, ...(panel.panels ?? [])]);

async function filled(panel, request, theme) {
  if (panel.type === 'row' || panel.type === 'text') {
    return { panel, data: [] };
  }
  const found = await frames(panel, request);
  return { panel, data: withConfig(await transformed(found, panel.transformations), panel, theme) };
}

const transformed = (found, transformations) =>
  transformations?.length
    ? new Promise((done, failed) => transformDataFrame(transformations, found).subscribe(done, failed))
    : found;

function Board({ request, panels, marks, theme }) {
  const width = document.documentElement.clientWidth - 2 * GAP_PIXELS;
  const bottom = Math.max(...panels.map(({ panel }) => panel.gridPos.y + panel.gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={contextOf()}>
        <Heading board={request.board} />
        <main style={{ height: pixels(bottom), width }}>
          {panels.map(({ panel, data }) => (
            <Panel key={panel.id} {...{ panel, data, request, marks, theme, width }} />
          ))}
        </main>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

function Heading({ board }) {
  return (
    <header>
      <h1>{board.title}</h1>
      {board.links.map(({ title, url }) => (
        <a key={title} href={url}>
          {title}
        </a>
      ))}
    </header>
  );
}

function Panel({ panel, data, request, marks, theme, width }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (width + GAP_PIXELS) / COLUMNS;
  const size = { width: w * column - GAP_PIXELS, height: pixels(h) };
  const place = { ...size, left: x * column, top: y * (CELL_PIXELS + GAP_PIXELS) };
  return (
    <section data-panel={panel.id} style={place}>
      {panel.type === 'row' ? (
        <h2>{panel.title}</h2>
      ) : (
        <PanelChrome {...size} title={panel.title} description={panel.description} padding={padding(panel)}>
          {(innerWidth, innerHeight) => (
            <Content {...{ panel, data, request, marks, theme }} width={innerWidth} height={innerHeight} />
          )}
        </PanelChrome>
      )}
    </section>
  );
}

const padding = ({ type }) => (type === 'table' ? 'none' : 'md');

const pixels = (cells) => cells * CELL_PIXELS + (cells - 1) * GAP_PIXELS;

const contextOf = () => ({ eventsScope: 'page', eventBus: silent });

const silent = {
  publish: () => {},
  getStream: () => ({ subscribe: () => ({ unsubscribe: () => {} }), pipe: () => silent.getStream() }),
  subscribe: () => ({ unsubscribe: () => {} }),
  removeAllListeners: () => {},
  newScopedBus: () => silent,
};

// Two frames after the last change of the document nothing is being laid out any more.
async function settled() {
  let changed = true;
  const watcher = new MutationObserver(() => (changed = true));
  watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
  let still = 0;
  while (still < 10) {
    changed = false;
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next, 20)));
    still = changed ? 0 : still + 1;
  }
  watcher.disconnect();
}
