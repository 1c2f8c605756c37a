import { expect, it } from 'vitest';
import { tabsOf } from './RoomTabs';

it('the chat is the first tab, the terminals follow in their order', () => {
  expect(tabsOf([])).toEqual([{ kind: 'chat' }]);
  expect(tabsOf([{ sessionId: 'a' }, { sessionId: 'b' }])).toEqual([
    { kind: 'chat' },
    { kind: 'terminal', sessionId: 'a' },
    { kind: 'terminal', sessionId: 'b' },
  ]);
});
