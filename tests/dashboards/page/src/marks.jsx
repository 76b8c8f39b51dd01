// Annotations over a graph: a dashed line and a foot for each, as Grafana's own panel draws them.
// That part of the panel is not in the packages.
import { useLayoutEffect } from 'react';
import { useTheme2 } from '@grafana/ui';

export function Marks({ config, marks }) {
  const theme = useTheme2();
  useLayoutEffect(() => {
    config.addHook('draw', (plot) => draw(plot, marks, theme));
  }, [config, marks, theme]);
  return null;
}

function draw(plot, marks, theme) {
  const { ctx, bbox } = plot;
  const ratio = window.devicePixelRatio;
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.setLineDash([5 * ratio, 5 * ratio]);
  for (const { color, times } of marks) {
    ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(color);
    for (const at of times) {
      const x = plot.valToPos(at * 1000, 'x', true);
      if (x >= bbox.left && x <= bbox.left + bbox.width) {
        line(ctx, x, bbox);
        foot(ctx, x, bbox.top + bbox.height, 4 * ratio);
      }
    }
  }
  ctx.restore();
}

function line(ctx, x, { top, height }) {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
}

function foot(ctx, x, bottom, size) {
  ctx.beginPath();
  ctx.moveTo(x, bottom - size);
  ctx.lineTo(x - size, bottom + size);
  ctx.lineTo(x + size, bottom + size);
  ctx.fill();
}
