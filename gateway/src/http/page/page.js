// Draws the page from two documents, /api/snapshot and /api/history. Text from outside is only ever set as text.
'use strict';

const BOUNDS_US = [10, 25, 50, 100, 250, 500, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7];
const UNKNOWN = '–';
/** Rates are those of so many seconds. */
const WINDOW = 5;
/** Rows of a table that are drawn unless more are asked for. */
const MOST_ROWS = 60;
/** So long a gateway may be silent, in milliseconds. */
const PATIENCE = 5000;

const $ = (id) => document.getElementById(id);
const list = (value) => (Array.isArray(value) ? value : []);

/** An element with text or elements in it. Only the properties that are named here can be set. */
function el(name, { cls, text, title, label } = {}, ...children) {
  const node = document.createElement(name);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  if (title) node.title = title;
  if (label !== undefined) node.dataset.label = label;
  node.append(...children);
  return node;
}

function svg(name, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// Numbers as people read them.

function scaled(n, unit) {
  if (n === null || n === undefined || !Number.isFinite(n)) return UNKNOWN;
  if (n < 1) return n < 0.05 ? `0 ${unit}`.trim() : `${n.toFixed(1)} ${unit}`.trim();
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
  let power = 0;
  while (n >= 999.5 && power < prefixes.length - 1) {
    n /= 1000;
    power += 1;
  }
  const digits = power === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
  return `${n.toFixed(digits)} ${prefixes[power]}${unit}`.trim();
}
const count = (n) => (n < 100000 ? Math.round(n).toLocaleString('en').replaceAll(',', ' ') : scaled(n, ''));
const rate = (n) => (n === null ? UNKNOWN : n > 0 && n < 10 ? n.toFixed(1) : count(n));
const bytes = (n) => scaled(n, 'B');
const perSecond = (n) => (n === null ? UNKNOWN : `${bytes(n)}/s`);

function micros(us) {
  if (us === null || us === undefined) return UNKNOWN;
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e5 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

function duration(seconds) {
  const s = Math.max(0, seconds);
  for (const [length, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (s >= 2 * length) return `${Math.floor(s / length)} ${unit}`;
  }
  return `${Math.floor(s)} s`;
}

function percent(part, whole) {
  if (part === null || !whole) return UNKNOWN;
  const value = (100 * part) / whole;
  // A loss is never rounded to none.
  return value === 0 ? '0 %' : `${Math.max(value, 0.01).toFixed(value < 10 ? 2 : 0)} %`;
}

const two = (n) => String(n).padStart(2, '0');
function clock(unix, seconds = true) {
  const at = new Date(unix * 1000);
  return `${two(at.getHours())}:${two(at.getMinutes())}${seconds ? `:${two(at.getSeconds())}` : ''}`;
}
const whole = (unix) => (unix > 0 ? new Date(unix * 1000).toString() : '');

// What happened between two documents.

const KEYS = {
  exports: (row) => `${row.name} ${row.worker}`,
  imports: (row) => `${row.segment} ${row.address}`,
  initiators: (row) => [row.mac, row.side, row.peer, row.export, row.address].join(' '),
  peers: (row) => `${row.name} ${row.worker}`,
  segments: (row) => row.name,
};

/** The documents of the last seconds, the oldest first. */
const recent = [];

function take(snapshot) {
  const last = recent.at(-1);
  if (last && (last.gateway.started !== snapshot.gateway.started || last.gateway.now > snapshot.gateway.now)) recent.length = 0;
  snapshot.rows = {};
  for (const [part, key] of Object.entries(KEYS)) {
    snapshot[part] = list(snapshot[part]);
    snapshot.rows[part] = new Map(snapshot[part].map((row) => [key(row), row]));
  }
  recent.push(snapshot);
  while (recent.length > 2 && snapshot.gateway.now - recent[1].gateway.now >= WINDOW) recent.shift();
}

/** How much of a counter there was per second; null is not known. */
function speed(part, row, get) {
  const [first, last] = [recent[0], recent.at(-1)];
  const before = first.rows[part].get(KEYS[part](row));
  const passed = last.gateway.now - first.gateway.now;
  if (!before || passed <= 0) return null;
  const more = get(row) - get(before);
  return more >= 0 ? more / passed : null;
}

/** How long the requests of the last seconds took: [p50, p99] in microseconds, or nulls. */
function quantiles(part, row, get) {
  const now = get(row);
  const before = recent[0].rows[part].get(KEYS[part](row));
  const then = (before && get(before)) || {};
  if (!now || !before || before === row) return [null, null];
  const buckets = list(now.buckets).map((n, at) => n - (list(then.buckets)[at] || 0));
  const total = now.count - (then.count || 0);
  if (buckets.length !== BOUNDS_US.length || total <= 0) return [null, null];
  return [0.5, 0.99].map((part) => {
    const rank = Math.ceil(total * part);
    let [below, from] = [0, 0];
    for (const [at, n] of buckets.entries()) {
      const bound = Math.min(BOUNDS_US[at], now.max_us);
      if (n >= rank) return from + ((bound - from) * (rank - below)) / Math.max(1, n - below);
      [below, from] = [n, bound];
    }
    return now.max_us;
  });
}

// Tables that keep their rows, so that nothing flickers and a selection stays.

const STATES = {
  up: ['good', '✓ up'], degraded: ['warn', '! degraded'], starting: ['plain', '… starting'],
  leaving: ['plain', '← leaving'], paused: ['busy', '‖ paused'], down: ['bad', '✕ down'],
};
const TROUBLE = ['down', 'degraded', 'paused', 'leaving', 'starting', 'unknown', 'up'];
const troubledFirst = (rows) => [...rows].sort((a, b) => TROUBLE.indexOf(a.state) - TROUBLE.indexOf(b.state));

const badge = (state) => {
  const [cls, text] = STATES[state] || ['plain', `? ${state}`];
  return el('span', { cls: `state ${cls}`, text });
};

const shown = new Map();

/**
 * Draws a table. A column is { head, cls, cell }; a cell is text, [text, small text], or { node, same } with what it is
 * drawn from. The first column is the head of its row.
 */
function table(id, caption, columns, rows, key, empty) {
  const place = $(id);
  const most = place.dataset.all ? Infinity : MOST_ROWS;
  let known = shown.get(id);
  if (!known) {
    const head = el('tr', {}, ...columns.map(({ head, cls }) => {
      const cell = el('th', { cls, text: head });
      cell.scope = 'col';
      return cell;
    }));
    const body = el('tbody');
    const grid = el('table', {}, el('caption', { text: caption }), el('thead', {}, head), body);
    const none = el('p', { cls: 'quiet' });
    const more = el('button', { cls: 'more' });
    more.type = 'button';
    more.addEventListener('click', () => {
      place.dataset.all = 'yes';
      draw();
    });
    // On a phone rows are blocks, and browsers then forget that it is a table.
    for (const [node, role] of [[grid, 'table'], [body, 'rowgroup'], [head, 'row']]) node.setAttribute('role', role);
    place.append(grid, none, more);
    known = { body, grid, none, more, rows: new Map() };
    shown.set(id, known);
  }
  known.grid.hidden = rows.length === 0;
  known.none.hidden = rows.length > 0;
  known.none.textContent = `${caption}: ${empty}`;
  known.more.hidden = rows.length <= most;
  known.more.textContent = `show all ${rows.length}`;
  const left = new Set(known.rows.keys());
  const drawn = new Set();
  let before = null;
  for (const row of rows.slice(0, most)) {
    let name = key(row);
    // One that leaves may have the name of another one.
    while (drawn.has(name)) name += '+';
    drawn.add(name);
    let line = known.rows.get(name);
    if (!line) {
      line = el('tr');
      line.setAttribute('role', 'row');
      line.append(...columns.map(({ head, cls }, at) => {
        const cell = el(at === 0 ? 'th' : 'td', { cls, label: at === 0 ? '' : head });
        if (at === 0) cell.scope = 'row';
        cell.setAttribute('role', at === 0 ? 'rowheader' : 'cell');
        return cell;
      }));
      known.rows.set(name, line);
    }
    left.delete(name);
    columns.forEach(({ cell }, at) => put(line.cells[at], cell(row)));
    const place = before ? before.nextSibling : known.body.firstChild;
    if (place !== line) known.body.insertBefore(line, place);
    before = line;
  }
  for (const name of left) {
    known.rows.get(name).remove();
    known.rows.delete(name);
  }
}

function put(cell, content) {
  const [same, nodes] = content && content.node
    ? [content.same, content.node]
    : [JSON.stringify(content), () => (Array.isArray(content)
      ? [el('span', { text: content[0] }), ...(content[1] ? [el('small', { text: content[1] })] : [])]
      : [String(content ?? '')])];
  if (cell.drawn === same) return;
  cell.drawn = same;
  cell.replaceChildren(...nodes());
  cell.classList.toggle('empty', cell.childNodes.length === 0 || cell.textContent === '' && !cell.querySelector('svg'));
}

/** How a row is, since when, why, and what else there is to say. */
function state(row, more = '') {
  const since = row.since > 0 ? ` for ${duration(recent.at(-1).gateway.now - row.since)}` : '';
  return {
    same: [row.state, since, row.why, more].join('|'),
    node: () => [badge(row.state), el('span', { cls: 'quiet', text: since, title: whole(row.since) }),
      ...[row.why, more].filter(Boolean).map((text) => el('small', { cls: 'text', text }))],
  };
}

function spark(values) {
  const known = list(values);
  return {
    same: known.join(),
    node: () => {
      const top = Math.max(1, ...known.map((n) => n || 0));
      const x = (at) => (at * 120) / 59 + (120 * (60 - known.length)) / 59;
      const y = (n) => 21 - (n * 20) / top;
      const line = path(known, x, y);
      const node = svg('svg', { class: 'spark', viewBox: '0 0 120 22', preserveAspectRatio: 'none', role: 'img' });
      node.setAttribute('aria-label', known.some((n) => n) ? `last hour, at most ${perSecond(top)}` : 'nothing in the last hour');
      node.append(svg('path', { d: 'M0 21.5H120', opacity: '.25' }), svg('path', { d: line }));
      return known.length ? [node] : [];
    },
  };
}

/** A line with a break where nothing is known. A lone point is a short line. */
function path(values, x, y) {
  let d = '';
  values.forEach((n, at) => {
    if (n === null || n === undefined) return;
    const begins = at === 0 || values[at - 1] === null || values[at - 1] === undefined;
    d += `${begins ? 'M' : 'L'}${x(at).toFixed(1)} ${y(n).toFixed(1)}`;
    if (begins && (values[at + 1] === null || values[at + 1] === undefined)) d += 'h1.5';
  });
  return d;
}

// The parts of the page.

const column = (head, cell, cls = '') => ({ head, cell, cls });
const number = (head, cell) => column(head, cell, 'num');
const traffic = (part) => [
  number('requests/s', (row) => rate(speed(part, row, (row) => row.traffic.requests))),
  number('read', (row) => perSecond(speed(part, row, (row) => row.traffic.read_bytes))),
  number('written', (row) => perSecond(speed(part, row, (row) => row.traffic.written_bytes))),
];
/** The times of requests; below, half of each part of them. */
const times = (part, get, parts = []) => number('p50 | p99', (row) => {
  const [p50, p99] = quantiles(part, row, get);
  if (p50 === null) return UNKNOWN;
  const halves = parts.map((name) => [name, quantiles(part, row, (row) => row.latency[name])[0]]);
  const below = halves.filter(([, half]) => half !== null).map(([name, half]) => `${name} ${micros(half)}`);
  return [`${micros(p50)} | ${micros(p99)}`, below.join(', ')];
});
const access = { 'read-only': 'ro', 'read-write': 'rw' };

function matches(...texts) {
  const wanted = $('filter').value.trim().toLowerCase();
  return !wanted || texts.some((text) => String(text ?? '').toLowerCase().includes(wanted));
}

/** When a grant ends, and its rules where they say more than its access; a rule says its own end. */
function terms(grant) {
  const rules = list(grant.rules);
  if (rules.length) return `: ${rules.join('; ')}`;
  if (!(grant.until > 0 && grant.until < 2.5e11)) return '';
  const date = new Date(grant.until * 1000).toISOString().slice(0, 16).replace('T', ' ');
  return `${grant.access === 'ended' ? '' : ' until'} ${date}Z`;
}

/** Whether there is a row of the history for it, and which. */
const pastOf = (kind, name, segment = '') => index && list(index.series)
  .find((row) => row.kind === kind && row.name === name && row.segment === segment);

function drawUse(now) {
  const ago = (at) => (at > 0 ? duration(now.gateway.now - at) : UNKNOWN);
  const exports = now.exports.filter((row) => matches(row.name, row.target, row.disk, row.segment, ...list(row.allow).map((grant) => grant.peer)));
  table('exports', 'Exports: disks here that peers use', [
    column('export', (row) => [row.name, `${row.target} on ${row.segment}${row.size_bytes ? `, ${bytes(row.size_bytes)}` : ''}`]),
    column('state', (row) => state(row, row.disk), 'wide'),
    column('for', (row) => {
      const grants = list(row.allow).map((grant) => `${grant.peer} ${access[grant.access] || grant.access}${grant.in_use ? `, ${grant.in_use} in use` : ''}${terms(grant)}`);
      const lines = grants.length > 4 ? [...grants.slice(0, 3), `${grants.length - 3} more`] : grants;
      return { same: lines.join('|'), node: () => lines.map((text) => el('div', { cls: 'text', text })) };
    }, 'some'),
    ...traffic('exports'),
    times('exports', (row) => row.latency.target, ['queue']),
    number('at target', (row) => [`${row.at_target} of ${row.buffers}`, row.waiting ? `${row.waiting} wait` : '']),
    number('refused', (row) => count(row.traffic.refused)),
    column('last hour', (row) => spark(pastOf('export', row.name)?.spark)),
  ], troubledFirst(exports), KEYS.exports, 'none');
  const imports = now.imports.filter((row) => matches(row.address, row.peer, row.export, row.segment));
  table('imports', 'Imports: disks of peers that are used here', [
    column('import', (row) => [row.address, `${row.export} of ${row.peer}, on ${row.segment}`]),
    column('state', (row) => state(row), 'wide'),
    column('access', (row) => access[row.access] || row.access || UNKNOWN),
    ...traffic('imports'),
    times('imports', (row) => row.latency.total, ['tunnel', 'queue', 'target']),
    number('in flight', (row) => `${row.traffic.in_flight} of ${row.window}`),
    number('resent', (row) => count(row.traffic.resent)),
    column('last hour', (row) => spark(pastOf('import', row.address, row.segment)?.spark)),
  ], troubledFirst(imports), KEYS.imports, 'none');
  const initiators = now.initiators.filter((row) => matches(row.mac, row.peer, row.export, row.address));
  const busy = new Map(initiators.map((row) => [row, speed('initiators', row, (row) => row.traffic.requests) || 0]));
  table('initiators', 'Initiators: who asks', [
    column('initiator', (row) => [row.mac, row.side === 'here' ? 'here' : `behind ${row.peer}`]),
    column('uses', (row) => (row.side === 'here' ? [row.address, `${row.export} of ${row.peer}`] : row.export)),
    ...traffic('initiators'),
    times('initiators', (row) => row.latency),
    number('requests', (row) => count(row.traffic.requests)),
    number('resent', (row) => count(row.traffic.resent)),
    number('last seen', (row) => ({ same: ago(row.last), node: () => [el('span', { text: `${ago(row.last)} ago`, title: whole(row.last) })] })),
  ], initiators.sort((a, b) => busy.get(b) - busy.get(a) || b.last - a.last), KEYS.initiators, 'nobody yet');
}

function drawUsers() {
  const sums = new Map();
  const minutes = list(index?.users);
  const end = Math.floor((index?.second || 0) / 60);
  for (const { minute, users } of minutes) {
    for (const used of users.filter((user) => matches(user.mac, user.peer, user.export, user.address))) {
      const key = KEYS.initiators(used);
      const sum = sums.get(key) || { ...used, key, requests: 0, read_bytes: 0, written_bytes: 0, spark: Array(59).fill(0) };
      for (const part of ['requests', 'read_bytes', 'written_bytes']) sum[part] += used[part];
      // The minute that is not over is left out.
      const at = 59 - (end - minute);
      if (at >= 0 && at < 59) sum.spark[at] = (used.read_bytes + used.written_bytes) / 60;
      sums.set(key, sum);
    }
  }
  const rows = [...sums.values()].sort((a, b) => b.read_bytes + b.written_bytes - a.read_bytes - a.written_bytes);
  table('users', 'Busiest of the last hour', [
    column('initiator', (row) => [row.mac, row.side === 'here' ? 'here' : `behind ${row.peer}`]),
    column('used', (row) => (row.side === 'here' ? [row.address, `${row.export} of ${row.peer}`] : row.export)),
    number('requests', (row) => count(row.requests)),
    number('read', (row) => bytes(row.read_bytes)),
    number('written', (row) => bytes(row.written_bytes)),
    column('last hour', (row) => spark(row.spark)),
  ], rows, (row) => row.key, 'nobody yet; each minute is counted when it is over');
}

function quantum(session) {
  return ['', 'none', undefined].includes(session.post_quantum) ? '' : ` + ${session.post_quantum}`;
}

function drawPaths(now) {
  const loss = (row, way) => percent(speed('peers', row, (row) => row.path.missed[way]), speed('peers', row, (row) => row.path.records[way]));
  table('peers', 'Peers', [
    column('peer', (row) => [now.gateway.workers > 1 ? `${row.name} #${row.worker}` : row.name, row.path.remote || 'address not known']),
    column('state', (row) => (row.state === 'up' && row.path.state !== 'up' ? state(row.path) : state(row)), 'wide'),
    number('RTT', (row) => [micros(row.path.round_trip_us), row.path.jitter_us ? `± ${micros(row.path.jitter_us)}` : '']),
    number('loss in | out', (row) => (row.session ? `${loss(row, 'in')} | ${loss(row, 'out')}` : UNKNOWN)),
    number('lost for good', (row) => count(row.path.lost.in + row.path.lost.out)),
    number('MTU', (row) => [row.path.mtu || UNKNOWN, row.path.mtu_why]),
    number('in', (row) => perSecond(speed('peers', row, (row) => row.path.bytes.in))),
    number('out', (row) => perSecond(speed('peers', row, (row) => row.path.bytes.out))),
    column('keys', (row) => (row.session
      ? [`${row.session.handshake}${row.session.psk ? ' + psk' : ''}${quantum(row.session)}`, `${row.session.protection}, ${row.session.cipher}`]
      : UNKNOWN)),
  ], troubledFirst(now.peers), KEYS.peers, 'none');
  table('segments', 'Segments', [
    column('segment', (row) => [row.name, row.device]),
    column('state', (row) => state(row), 'wide'),
    column('MAC', (row) => row.mac || UNKNOWN),
    number('MTU', (row) => row.mtu || UNKNOWN),
    number('in', (row) => perSecond(speed('segments', row, (row) => row.bytes.in))),
    number('out', (row) => perSecond(speed('segments', row, (row) => row.bytes.out))),
  ], now.segments, KEYS.segments, 'none');
}

function drawHeld(now) {
  const refusals = [...now.exports.map((row) => ['export', row.name, row]), ...now.imports.map((row) => ['import', row.address, row])]
    .flatMap(([kind, name, row]) => list(row.refusals).map((refusal) => ({ at: `${kind} ${name}`, ...refusal })))
    .sort((a, b) => b.last - a.last);
  table('refusals', 'Refused', [
    column('who, last', (row) => row.last_who || UNKNOWN),
    column('at', (row) => row.at),
    column('what', (row) => [row.last_what, row.reason], 'wide'),
    number('times', (row) => count(row.count)),
    number('last', (row) => `${duration(now.gateway.now - row.last)} ago`),
  ], refusals, (row) => `${row.at} ${row.reason}`, 'nobody');
  const held = [];
  const hold = (about, row, limit) => {
    if (limit) held.push({ about, limit });
    if (row.state === 'paused') held.push({ about, why: row.why || 'by an operator' });
  };
  for (const row of now.peers) hold(`peer ${row.name}`, row, row.limit);
  for (const row of now.imports) hold(`import ${row.address}`, row, row.limit);
  for (const row of now.exports) {
    hold(`export ${row.name}`, row, row.limit);
    for (const grant of list(row.allow)) hold(`export ${row.name} for ${grant.peer}`, {}, grant.limit);
  }
  for (const row of now.initiators) hold(`${row.mac} at ${row.address || row.export}`, {}, row.limit);
  const most = (iops, bandwidth) => [iops !== null && iops !== undefined ? `${count(iops)} requests/s` : '',
    bandwidth !== null && bandwidth !== undefined ? perSecond(bandwidth) : ''].filter(Boolean).join(', ') || UNKNOWN;
  table('limits', 'Limited or paused', [
    column('what', (row) => row.about),
    column('how', (row) => (row.limit ? `limited (${row.limit.from})` : { same: row.why, node: () => [badge('paused'), el('small', { text: row.why })] }), 'wide'),
    column('at most', (row) => (row.limit ? most(row.limit.iops, row.limit.bandwidth) : UNKNOWN)),
    column('at least', (row) => (row.limit ? most(row.limit.floor_iops, row.limit.floor_bandwidth) : UNKNOWN)),
    number('wait now', (row) => (row.limit ? count(row.limit.waiting) : UNKNOWN)),
    number('had to wait', (row) => (row.limit ? count(row.limit.delayed) : UNKNOWN)),
    number('how long, p99', (row) => micros(row.limit?.wait?.p99_us)),
  ], held, (row) => `${row.about} ${row.limit ? '' : 'paused'}`, 'nothing');
  table('changes', 'Changes', [
    column('when', (row) => [clock(row.at), `${duration(now.gateway.now - row.at)} ago`]),
    column('what', (row) => row.about),
    column('from, to', (row) => ({ same: `${row.was} ${row.is}`, node: () => [badge(row.was), ' → ', badge(row.is)] })),
    column('why', (row) => row.why, 'wide'),
  ], list(now.changes), (row) => `${row.at.toFixed(1)} ${row.about} ${row.is}`, 'none');
}

function drawAlarms(now) {
  const alarms = list(now.alarms);
  const place = $('alarms');
  const text = (alarm) => `${alarm.about} ${alarm.state} ${alarm.why}`;
  const same = JSON.stringify(alarms.map(text));
  if (place.drawn !== same) {
    // Only what is new is read out.
    const known = new Map([...place.children].map((node) => [node.alarm, node]));
    const nodes = alarms.map((alarm) => {
      const old = known.get(text(alarm));
      if (old) return old;
      const node = el('li', { cls: STATES[alarm.state]?.[0] || 'plain' }, badge(alarm.state), el('b', { cls: 'text', text: alarm.about }),
        el('time', { title: whole(alarm.since) }), el('p', { cls: 'text', text: alarm.why }));
      node.alarm = text(alarm);
      return node;
    });
    if (!nodes.length) nodes.push(el('li', { cls: 'none', text: 'None. Everything works, as far as this gateway sees.' }));
    place.replaceChildren(...nodes);
    place.drawn = same;
  }
  alarms.forEach((alarm, at) => {
    place.children[at].querySelector('time').textContent = `for ${duration(now.gateway.now - alarm.since)}`;
  });
  document.title = `${alarms.length ? `(${alarms.length}) ` : ''}${now.gateway.name} – aoe-gateway`;
}

function drawHead(now) {
  const gateway = now.gateway;
  $('name').textContent = gateway.name;
  $('about').textContent = [`aoe-gateway ${gateway.program}`, `up ${duration(gateway.now - gateway.started)}`,
    `${gateway.workers} worker${gateway.workers === 1 ? '' : 's'}`,
    gateway.reloads ? `configuration read ${duration(gateway.now - gateway.configured)} ago` : '',
    `key ${gateway.fingerprint}`].filter(Boolean).join(' · ');
  const sum = (part, get) => now[part].reduce((all, row) => {
    const n = speed(part, row, get);
    return n === null ? all : (all ?? 0) + n;
  }, null);
  const both = (get) => ['exports', 'imports'].map((part) => (now[part].length ? sum(part, get) ?? 0 : null)).reduce((a, b) => (a === null && b === null ? null : (a ?? 0) + (b ?? 0)));
  const up = (part) => now[part].filter((row) => row.state === 'up').length;
  const tiles = [
    ['read', perSecond(both((row) => row.traffic.read_bytes)), 'now'],
    ['written', perSecond(both((row) => row.traffic.written_bytes)), 'now'],
    ['requests', rate(both((row) => row.traffic.requests)), 'a second now'],
    ['exports up', `${up('exports')} of ${now.exports.length}`, ''],
    ['imports up', `${up('imports')} of ${now.imports.length}`, ''],
    ['peers up', `${up('peers')} of ${now.peers.length}`, ''],
    ['in use by', count(now.initiators.filter((row) => gateway.now - row.last < 60).length), 'initiators, last minute'],
  ];
  const place = $('tiles');
  if (!place.children.length) {
    place.append(...tiles.map(([label]) => el('div', { cls: 'tile' }, el('div', { cls: 'label', text: label }), el('div', { cls: 'value' }), el('div', { cls: 'note' }))));
  }
  tiles.forEach(([, value, note], at) => {
    put(place.children[at].children[1], value);
    put(place.children[at].children[2], note);
  });
  $('foot').textContent = `${gateway.config} · process ${gateway.pid} · listens at ${list(gateway.listen).join(', ')}`;
}

function draw() {
  const now = recent.at(-1);
  if (!now) return;
  drawHead(now);
  drawAlarms(now);
  drawUse(now);
  drawUsers();
  drawPaths(now);
  drawHeld(now);
}

// The past.

/** What there is a past of, and what is known of the one that is chosen. */
let index = null;
let past = null;
const span = () => document.querySelector('input[name="span"]:checked').value;
const FIELDS = ['requests', 'read_bytes', 'written_bytes', 'p50_us', 'p99_us'];

function drawSeries() {
  const select = $('series');
  const rows = list(index.series).filter((row) => row.there || list(row.spark).some((n) => n));
  const label = (row) => ({
    exports: 'all exports', imports: 'all imports',
    export: `export ${row.name}${row.there ? '' : ' (gone)'}`, import: `import ${row.name}${row.there ? '' : ' (gone)'}`,
  }[row.kind] || row.name);
  const has = (kind) => rows.some((row) => row.kind === kind);
  const useful = rows.filter((row) => !['exports', 'imports'].includes(row.kind) || has(row.kind.slice(0, -1)));
  const same = JSON.stringify(useful.map((row) => [row.id, label(row)]));
  if (select.drawn === same) return;
  const chosen = select.value;
  select.replaceChildren(...useful.map((row) => {
    const option = el('option', { text: label(row) });
    option.value = row.id;
    return option;
  }));
  select.drawn = same;
  if (useful.some((row) => String(row.id) === chosen)) {
    select.value = chosen;
  } else {
    // What is busiest.
    const sum = (row) => list(row.spark).reduce((all, n) => all + (n || 0), 0);
    const best = [...useful].sort((a, b) => sum(b) - sum(a))[0];
    if (best) select.value = best.id;
  }
}

/** Adds what is new to what is known. */
function learn(answer, key) {
  const most = answer.step === 1 ? 3600 : 1440;
  if (!past || past.key !== key || answer.first !== past.first + past.read_bytes.length) {
    past = { key, first: answer.first, step: answer.step };
    for (const field of FIELDS) past[field] = [];
  }
  for (const field of FIELDS) past[field].push(...list(answer[field]));
  const old = past.read_bytes.length - most;
  if (old > 0) {
    for (const field of FIELDS) past[field].splice(0, old);
    past.first += old;
  }
  // What a moment is called: the wall clock of now, less the seconds since then.
  past.name = (at) => answer.now - (answer.now_second - at * answer.step);
  past.end = past.first + past.read_bytes.length;
  // A gateway that has just started has a short past, which is drawn large.
  const widths = answer.step === 1 ? [60, 120, 300, 600, 1200, 1800] : [60, 180, 360, 720];
  past.most = widths.find((width) => width >= past.read_bytes.length) || most;
}

function drawPast() {
  if (!past) return;
  const perStep = (field) => past[field].map((n) => (n === null ? null : n / past.step));
  chart('bytes', perStep('read_bytes'), perStep('written_bytes'), ['read', 'written'], perSecond, 1000,
    (at) => `${rate(perStep('requests')[at])} requests/s`);
  const took = (field) => past[field].map((n) => n || null);
  chart('times', took('p50_us'), took('p99_us'), ['half took no longer', '99 of 100 took no longer'], micros, 100);
}

/** What is pointed at, as places before the end; the same in both charts. */
let pointed = null;

function chart(id, one, two, names, words, least, extra) {
  const place = $(id);
  const [width, height] = [Math.max(200, place.clientWidth), place.clientHeight || 190];
  const [left, right, top, bottom] = [58, 6, 8, 20];
  const top_value = nice(Math.max(least, ...one.map((n) => n ?? 0), ...two.map((n) => n ?? 0)));
  const start = past.most - one.length;
  const x = (at) => left + ((at + start) * (width - left - right)) / (past.most - 1);
  const y = (n) => top + (1 - n / top_value) * (height - top - bottom);
  const node = svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: '0' });
  for (const part of [0, 0.5, 1]) {
    node.append(svg('path', { class: 'grid', d: `M${left} ${y(top_value * part)}H${width - right}` }));
    write(node, left - 6, y(top_value * part) + 4, 'end', part ? words(top_value * part).replace(/(\.\d*?)0+(?= )/, '$1').replace('. ', ' ') : '0');
  }
  const marks = width < 420 ? 3 : 5;
  for (let mark = 0; mark < marks; mark += 1) {
    const at = Math.round((mark * (past.most - 1)) / (marks - 1)) - start;
    const anchor = mark === 0 ? 'start' : mark === marks - 1 ? 'end' : 'middle';
    write(node, x(at), height - 4, anchor, clock(past.name(past.first + at), past.most * past.step < 900));
  }
  const [thinned, thinnedTwo] = [one, two].map((values) => thin(values, Math.floor((width - left - right) / 2), start));
  const line = (points) => path(points.map(([, n]) => n), (at) => x(points[at][0]), y);
  node.append(svg('path', { class: 'fill', d: area(thinned, x, y) }), svg('path', { class: 'one', d: line(thinned) }),
    svg('path', { class: 'two-line', d: line(thinnedTwo) }));
  const last = one.length - 1;
  const at = pointed === null ? last : Math.max(0, last - pointed);
  const known = one.length > 0;
  const value = (values) => (known && values[at] !== null ? words(values[at]) : UNKNOWN);
  const when = known ? clock(past.name(past.first + at), past.step === 1) : '';
  $(`${id}-caption`).replaceChildren(
    el('span', {}, el('span', { cls: 'key', text: `${names[0]} ` }), el('b', { text: value(one) })),
    el('span', {}, el('span', { cls: 'key two', text: `${names[1]} ` }), el('b', { text: value(two) })),
    el('span', { text: [extra && known ? extra(at) : '', pointed === null ? (past.step === 1 ? 'now' : 'last minute') : `at ${when}`].filter(Boolean).join(', ') }));
  node.setAttribute('aria-label', `${names[0]} ${value(one)}, ${names[1]} ${value(two)} at ${when}`);
  if (pointed !== null && known) {
    node.append(svg('path', { class: 'cross', d: `M${x(at)} ${top}V${height - bottom}` }));
    for (const n of [one[at], two[at]]) if (n !== null) node.append(svg('circle', { class: 'dot', cx: x(at), cy: y(n), r: 3 }));
  }
  const point = (event) => {
    const box = node.getBoundingClientRect();
    const part = (event.clientX - box.left - left) / (box.width - left - right);
    const aim = Math.round(part * (past.most - 1)) - start;
    pointed = Math.min(last, Math.max(0, last - aim));
    drawPast();
  };
  node.addEventListener('pointermove', point);
  node.addEventListener('pointerdown', point);
  node.addEventListener('keydown', (event) => {
    const steps = { ArrowLeft: 1, ArrowRight: -1, PageUp: 60, PageDown: -60 }[event.key];
    if (!steps && event.key !== 'Escape') return;
    event.preventDefault();
    pointed = steps ? Math.min(last, Math.max(0, (pointed ?? 0) + steps)) : null;
    drawPast();
  });
  const focused = place.contains(document.activeElement);
  place.replaceChildren(node);
  if (focused) node.focus();
}

function write(node, x, y, anchor, text) {
  const label = svg('text', { class: 'axis', x, y, 'text-anchor': anchor });
  label.textContent = text;
  node.append(label);
}

/** A round number that is not smaller. */
function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= n * 0.999);
}

/** No more points than can be seen; of those that fall together the highest. A gap stays one. */
function thin(values, most, start) {
  const step = Math.max(1, Math.ceil(values.length / most));
  const points = [];
  for (let at = 0; at < values.length;) {
    const end = at + step - ((at + start) % step);
    const some = values.slice(at, end);
    const known = some.filter((n) => n !== null);
    points.push([at, known.length ? Math.max(...known) : null]);
    at = end;
  }
  return points;
}

function area(points, x, y) {
  let d = '';
  let from = null;
  points.forEach(([at, n], place) => {
    if (n === null) return;
    if (from === null) {
      from = at;
      d += `M${x(at).toFixed(1)} ${y(0).toFixed(1)}`;
    }
    d += `L${x(at).toFixed(1)} ${y(n).toFixed(1)}`;
    const next = points[place + 1];
    if (!next || next[1] === null) {
      d += `L${x(at).toFixed(1)} ${y(0).toFixed(1)}Z`;
      from = null;
    }
  });
  return d;
}

// Asking again and again.

let heard = 0;
/** How long it is until the next question, in milliseconds. */
let pause = 0;

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}

async function askPast() {
  const select = $('series');
  if (!select.value) return;
  const key = `${select.value} ${span()} ${recent.at(-1).gateway.started}`;
  const after = past && past.key === key ? `&after=${past.end - 1}` : '';
  const answer = await ask(`api/history?series=${select.value}&span=${span()}${after}`);
  if (!answer || key !== `${$('series').value} ${span()} ${recent.at(-1).gateway.started}`) return;
  learn(answer, key);
  drawPast();
}

function sayLive() {
  const silent = Date.now() - heard;
  const is_live = heard > 0 && silent < PATIENCE + pause;
  const live = $('live');
  const text = heard === 0 ? 'connecting' : is_live ? 'live' : 'no answer';
  if (live.textContent !== text) live.textContent = text;
  live.dataset.live = heard === 0 ? 'wait' : is_live ? 'yes' : 'no';
  const stale = $('stale');
  document.querySelector('main').classList.toggle('old', heard > 0 && !is_live);
  if (is_live || heard === 0) {
    stale.hidden = true;
    stale.textContent = '';
  } else {
    stale.textContent = `The gateway stopped answering at ${clock(heard / 1000)}. What stands below is how it was then. `
      + 'This page goes on by itself when it answers again.';
    stale.hidden = false;
  }
}

/** Until the time is over, or somebody looks again. */
const sleep = (millis) => new Promise((done) => {
  const timer = setTimeout(done, millis);
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    done();
  }, { once: true });
});

async function run() {
  let turn = 0;
  for (;;) {
    const begun = performance.now();
    try {
      const before = recent.at(-1)?.gateway.started;
      take(await ask('api/snapshot'));
      heard = Date.now();
      if (before !== recent.at(-1).gateway.started) {
        turn = 0;
        past = null;
        index = null;
      }
      if (turn % 10 === 0) {
        index = await ask('api/history');
        drawSeries();
      }
      draw();
      await askPast();
      turn += 1;
    } catch (error) {
      // It is said by sayLive. A reader of the console wants to know why.
      console.info('no answer:', error.message);
    }
    // A large gateway, or one far away, is asked less often; a page that nobody sees, rarely.
    const took = performance.now() - begun;
    pause = document.hidden ? 10000 : Math.min(10000, Math.max(1000 - took, 3 * took, 200));
    sayLive();
    await sleep(pause);
  }
}

$('filter').addEventListener('input', draw);
for (const input of [$('series'), ...document.querySelectorAll('input[name="span"]')]) {
  input.addEventListener('change', () => {
    pointed = null;
    askPast().catch(() => {});
  });
}
$('charts').addEventListener('pointerleave', () => {
  pointed = null;
  drawPast();
});
window.addEventListener('resize', drawPast);
setInterval(sayLive, 1000);
run();
