import type { ConsoleModel } from '../model.ts';
import type { Line } from '../text.ts';
import type { Glyphs } from '../theme.ts';
import type { UiState } from '../ui-state.ts';

/** What every screen is drawn from, and how much room it has. */
export interface Canvas {
  readonly model: ConsoleModel;
  readonly ui: UiState;
  readonly columns: number;
  readonly rows: number;
  readonly glyphs: Glyphs;
}

/** Draws a screen's body: exactly `rows` rows, or fewer. */
export type DrawScreen = (canvas: Canvas) => Line[];
