/** The page's look, on a screen and on paper. */
export const pageStyle = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 960px; padding: 32px 24px 64px; background: #f8f9fa; color: #212529;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 26px; }
h2 { margin: 0 0 4px; font-size: 18px; }
h3 { margin: 20px 0 4px; font-size: 15px; }
p { margin: 4px 0; max-width: 90ch; overflow-wrap: anywhere; }
header { margin-bottom: 24px; }
section { margin-bottom: 20px; padding: 20px; background: white; border: 1px solid #dee2e6; border-radius: 8px; }
.quiet, caption, dd.about { color: #5c636a; font-size: 13px; }
.empty { margin: 16px 0 4px; padding: 16px; border: 1px dashed #ced4da; border-radius: 6px; color: #5c636a; }
dl.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px; margin: 12px 0 0; }
dl.tiles div { display: flex; flex-direction: column; padding: 12px; border: 1px solid #e9ecef; border-radius: 6px; }
dl.tiles dt { font-size: 13px; font-weight: 600; }
dl.tiles dd { margin: 0; }
dl.tiles dd.value { font-size: 26px; line-height: 1.3; font-variant-numeric: tabular-nums; }
dd.about { line-height: 1.35; }
figure { margin: 16px 0 0; overflow-x: auto; }
figure svg { display: block; max-width: 100%; height: auto; }
.tables { display: flex; overflow-x: auto; flex-wrap: wrap; gap: 8px 40px; align-items: flex-start; }
table { min-width: 240px; margin-top: 12px; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 4px; text-align: left; }
th, td { padding: 4px 16px 4px 0; border-bottom: 1px solid #e9ecef; text-align: left; overflow-wrap: anywhere; }
th.number, td.number { text-align: right; white-space: nowrap; }
details { margin-top: 12px; }
summary { cursor: pointer; font-size: 13px; color: #5c636a; }
@media print {
  body { padding: 0; background: white; }
  section { break-inside: avoid; border: 0; padding: 0; }
}
`;
