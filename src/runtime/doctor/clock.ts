import type { Millis } from '../../net/time.ts';
import { about, type Finding } from './finding.ts';

/** `synchronized`: what timedatectl says; undefined where there is none to say it. Time-limited credentials and certificates rest on it. */
export function clockFindings(now: Millis, synchronized: boolean | undefined): Finding[] {
  const time = new Date(now).toISOString();
  if (now < BEFORE_US || now > CENTURY_END) {
    const what = `the clock says ${time}, which cannot be: credentials and certificates are judged by it`;
    return [clock('time', 'problem', what, 'timedatectl set-ntp true, or date -s')];
  }
  if (synchronized === false) {
    const what = `the clock (${time}) is not synchronized: time-limited credentials are judged by it`;
    return [clock('time', 'note', what, 'timedatectl set-ntp true')];
  }
  return [clock('time', 'ok', `${time}${synchronized ? ', synchronized' : ''}`)];
}

const clock = about('clock');
/** Nothing of this version ran earlier. */
const BEFORE_US: Millis = Date.UTC(2026, 0, 1);
const CENTURY_END: Millis = Date.UTC(2100, 0, 1);
