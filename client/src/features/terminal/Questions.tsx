// What a machine asks its owner, where the owner decides in this page: cards over the terminal, or over whatever is in sight while
// the terminal is not. They never take the focus: whoever types goes on typing into the shell.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type ReactNode, type Ref, useEffect, useId, useState } from 'react';
import { createPortal } from 'react-dom';
import { useMesh } from '../../app/mesh';
import { notice } from '../../lib/call/notice';
import type { Answer, Question } from '../../protocol/frames';
import { nameOf, patchTerminal, type TerminalView } from '../../state/terminalStore';
import classes from './terminal.module.css';
import { useTerminals } from './useTerminals';

/** A card that comes up under somebody's pointer is not what they meant to click. */
const ARMED_AFTER_MS = 400;

interface Props {
  ref: Ref<HTMLElement>;
  terminal: TerminalView;
  /** Whether the terminal is in sight. */
  visible: boolean;
  /** The focus was on a card that is gone. */
  onDone: () => void;
}

export function Questions({ ref, terminal, visible, onDone }: Props) {
  const { t } = useLingui();
  const mesh = useMesh();
  const { sessionId, questions, decides } = terminal;
  const deviceName = nameOf(terminal);

  useEffect(() => {
    if (decides !== 'denied') return;
    // Told once.
    patchTerminal(mesh.terminals, sessionId, { decides: 'no' });
    notifications.show({
      message: t`You cannot decide here: at ${deviceName} somebody said no, or nobody is there who could say yes.`,
    });
  }, [decides, deviceName, mesh, sessionId, t]);

  if (questions.length === 0) return null;
  const cards = (
    <section
      ref={ref}
      className={classes.questions}
      data-apart={!visible || undefined}
      aria-label={t`Questions of ${deviceName}`}
    >
      {questions.map((question) => (
        <Card key={question.id} question={question} terminal={terminal} onDone={onDone} />
      ))}
    </section>
  );
  return visible ? cards : createPortal(cards, document.body);
}

function Card({
  question,
  terminal,
  onDone,
}: {
  question: Question;
  terminal: TerminalView;
  onDone: () => void;
}) {
  const { t } = useLingui();
  const terminals = useTerminals();
  const sentenceId = useId();
  const [armed, setArmed] = useState(false);
  const { who, room, capability } = question;
  const deviceName = nameOf(terminal);
  const types = capability === 'terminal:control';
  const sentence = types ? t`${who} asks to type` : t`${who} asks to watch`;
  const where = `${deviceName} · ${room}`;

  useEffect(() => {
    const timer = window.setTimeout(() => setArmed(true), ARMED_AFTER_MS);
    return () => window.clearTimeout(timer);
  }, []);
  useEffect(() => notice(sentence, where, `question-${question.id}`), [sentence, where, question.id]);

  const answer = (words: ReactNode, says: Answer, variant: 'filled' | 'default') => (
    <Button
      size="xs"
      variant={variant}
      disabled={!armed}
      aria-describedby={sentenceId}
      onClick={() => {
        terminals.answer(terminal.sessionId, question.id, says);
        onDone();
      }}
    >
      {words}
    </Button>
  );
  return (
    <div className={classes.question}>
      <div id={sentenceId} role="alert">
        <Text size="sm" fw={620}>
          {sentence}
        </Text>
        <Text size="xs" c="dimmed">
          {where}
        </Text>
      </div>
      <div className={classes.answers}>
        {answer(<Trans>Allow once</Trans>, 'yes', 'filled')}
        {answer(<Trans>Always</Trans>, 'always_person', 'default')}
        {answer(<Trans>No</Trans>, 'no', 'default')}
        {answer(<Trans>Never</Trans>, 'never_person', 'default')}
      </div>
    </div>
  );
}
