// The files of an offer as a tree of boxes to tick. A request names at most a hundred; the others are one box.

import { Plural, useLingui } from '@lingui/react/macro';
import { Checkbox } from '@mantine/core';
import type { ReactNode } from 'react';
import { formatBytes } from '../../../lib/format';
import type { TransferView } from '../../../state/transferStore';
import classes from '../files.module.css';

export interface Selection {
  /** Of the files that the request names. */
  paths: ReadonlySet<string>;
  /** Those that it does not name. */
  rest: boolean;
}

export function selectAll(offer: TransferView): Selection {
  return {
    paths: new Set(offer.files.map(({ path }) => path)),
    rest: offer.count > offer.files.length,
  };
}

export function selectedSize(offer: TransferView, { paths, rest }: Selection): number {
  const named = offer.files.reduce((sum, { path, size }) => sum + (paths.has(path) ? size : 0), 0);
  return named + (rest ? restOf(offer).size : 0);
}

function restOf({ size, count, files }: TransferView) {
  return { count: count - files.length, size: Math.max(0, size - sizeOf(files)) };
}

const sizeOf = (files: readonly { size: number }[]) => files.reduce((sum, file) => sum + file.size, 0);

interface Leaf {
  path: string;
  size: number;
}

export function OfferTree({
  offer,
  selection,
  onChange,
}: {
  offer: TransferView;
  selection: Selection;
  onChange: (selection: Selection) => void;
}) {
  const { t, i18n } = useLingui();
  const rest = restOf(offer);
  const size = formatBytes(selectedSize(offer, selection), i18n.locale);
  const choose = (files: readonly Leaf[], wanted: boolean) => {
    const paths = new Set(selection.paths);
    for (const { path } of files)
      if (wanted) paths.add(path);
      else paths.delete(path);
    onChange({ ...selection, paths });
  };
  const box = (label: string, files: readonly Leaf[]) => {
    const chosen = files.filter(({ path }) => selection.paths.has(path)).length;
    return (
      <Row label={label} size={sizeOf(files)}>
        <Checkbox
          size="xs"
          label={label}
          classNames={{ body: classes.treeBox, labelWrapper: classes.treeLabel, label: classes.fileName }}
          checked={chosen === files.length}
          indeterminate={chosen > 0 && chosen < files.length}
          onChange={({ currentTarget }) => choose(files, currentTarget.checked)}
        />
      </Row>
    );
  };
  const level = (files: readonly Leaf[], depth: number): ReactNode => {
    const groups = new Map<string, Leaf[]>();
    for (const file of files) {
      const [name = '', below] = file.path.split('/').slice(depth);
      // A folder and a file may have one name in a list that is not honest: they stay two rows.
      const key = below === undefined ? `f${name}` : `d${name}`;
      groups.set(key, [...(groups.get(key) ?? []), file]);
    }
    return (
      <ul className={classes.tree}>
        {[...groups].map(([key, inside]) => (
          <li key={key}>
            {box(key.startsWith('d') ? `${key.slice(1)}/` : key.slice(1), inside)}
            {key.startsWith('d') && level(inside, depth + 1)}
          </li>
        ))}
      </ul>
    );
  };
  return (
    <fieldset className={classes.treeFrame}>
      <legend className="visually-hidden">{t`Files to take: ${size}`}</legend>
      {level(offer.files, 0)}
      {rest.count > 0 && (
        <Row label="" size={rest.size}>
          <Checkbox
            size="xs"
            label={<Plural value={rest.count} one="and # more file" other="and # more files" />}
            checked={selection.rest}
            onChange={({ currentTarget }) => onChange({ ...selection, rest: currentTarget.checked })}
          />
        </Row>
      )}
    </fieldset>
  );
}

function Row({ label, size, children }: { label: string; size: number; children: ReactNode }) {
  const { i18n } = useLingui();
  return (
    <div className={classes.treeRow} title={label || undefined}>
      {children}
      <span className="numbers">{formatBytes(size, i18n.locale)}</span>
    </div>
  );
}
