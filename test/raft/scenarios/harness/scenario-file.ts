/**
 * A scenario as text: prose in `#` lines, commands, `----`, and what they printed, up to the next blank line.
 *
 *     # A story.
 *     command argument
 *     another
 *     ----
 *     output
 */
export interface Scenario {
  readonly blocks: readonly Block[];
}

export interface Block {
  /** Comments and blank lines before the commands, as they are. */
  readonly prose: readonly string[];
  readonly commands: readonly string[];
  readonly output: readonly string[];
}

export function parseScenario(text: string): Scenario {
  const blocks: Block[] = [];
  let prose: string[] = [];
  let commands: string[] = [];
  let output: string[] | null = null;
  const close = (): void => {
    if (commands.length > 0 || prose.length > 0) blocks.push({ prose, commands, output: output ?? [] });
    prose = [];
    commands = [];
    output = null;
  };
  for (const line of text.trimEnd().split('\n')) {
    if (output !== null) {
      if (line.trim() === '') {
        close();
        prose.push(line);
      } else {
        output.push(line);
      }
    } else if (line === '----') {
      output = [];
    } else if (commands.length === 0 && (line.startsWith('#') || line.trim() === '')) {
      prose.push(line);
    } else if (line.trim() !== '' && !line.startsWith('#')) {
      commands.push(line);
    }
  }
  close();
  return { blocks };
}

export function formatScenario({ blocks }: Scenario): string {
  const lines: string[] = [];
  for (const { prose, commands, output } of blocks) {
    lines.push(...prose);
    if (commands.length > 0) lines.push(...commands, '----', ...output);
  }
  return `${lines.join('\n').trimEnd()}\n`;
}
