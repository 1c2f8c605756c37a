// How one is joined with somebody in a call: directly or not, how fast, and what gets lost.

import { useLingui } from '@lingui/react/macro';
import { formatRate } from '../../lib/format';
import type { PathInfo } from '../../lib/path';
import { PathBadge } from '../../ui/PathBadge';
import classes from './call.module.css';

export function PathFacts({ path, loss, rate }: { path?: PathInfo; loss?: number; rate?: number }) {
  const { t, i18n } = useLingui();
  if (!path) return null;
  const lost =
    loss === undefined ? undefined : i18n.number(loss, { style: 'percent', maximumFractionDigits: 1 });
  return (
    <div className={classes.facts}>
      <PathBadge path={path} />
      {rate !== undefined && <span className="numbers">{formatRate(rate, i18n.locale)}</span>}
      {lost !== undefined && <span className="numbers">{t`${lost} lost`}</span>}
    </div>
  );
}
