// Which commands are meant by what was typed. Pure.

export interface Command {
  id: string;
  /** The heading it stands under. */
  group: string;
  name: string;
  /** Other words for it, in any language. */
  also?: string;
  run: () => void;
}

const plain = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/** Every word that was typed begins or stands in it; those whose words begin so come first, else the order stays. */
export function matching(commands: readonly Command[], typed: string): Command[] {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  const ranked = commands.flatMap((command) => {
    const text = plain(`${command.name} ${command.also ?? ''} ${command.group}`);
    if (!words.every((word) => text.includes(word))) return [];
    const name = ` ${plain(command.name)}`;
    return [{ command, begins: words.every((word) => name.includes(` ${word}`)) }];
  });
  return [...ranked.filter((one) => one.begins), ...ranked.filter((one) => !one.begins)].map(
    ({ command }) => command,
  );
}
