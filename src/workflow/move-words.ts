/** A move that is under way, in a few words for a person. Pure. */
import { unreachable } from '../errors/maintenance-error.ts';
import type { Move, MoveStage } from './move-state.ts';

const mega = 1_000_000;
const gibibyte = 1_073_741_824;
const mebibyte = 1_048_576;

/** `ledger-2 copying 9.1 of 14 GiB, 212 MB/s`. */
export function describeMove({ pod, mover, target, stage }: Move): string {
  if (!stage) return `${pod.name} (${mover})`;
  switch (stage.phase) {
    case 'queued':
      return `${pod.name} queued for ${mover}`;
    case 'copying':
      return `${pod.name} copying${amountText(stage)}${rateText(stage)}`;
    case 'cutover':
      return `${pod.name} changing over to ${target}`;
    default:
      return unreachable(stage.phase);
  }
}

function amountText({ doneBytes, totalBytes }: MoveStage): string {
  if (doneBytes === undefined || totalBytes === undefined) return '';
  const [unit, name] = totalBytes >= gibibyte ? [gibibyte, 'GiB'] : [mebibyte, 'MiB'];
  return ` ${shortNumber(doneBytes / unit)} of ${shortNumber(totalBytes / unit)} ${name}`;
}

function rateText({ bytesPerSecond }: MoveStage): string {
  return bytesPerSecond === undefined || bytesPerSecond <= 0 ? '' : `, ${shortNumber(bytesPerSecond / mega)} MB/s`;
}

/** One digit behind the point where there are few before it. */
function shortNumber(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
