import { Trans, useLingui } from '@lingui/react/macro';
import { Checkbox, Table, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../../app/failures';
import { useMesh } from '../../../app/mesh';
import type { PolicyRole } from '../../../protocol/rest';
import type { RoomView } from '../../../state/roomStore';
import { Problem } from '../../../ui/Problem';
import { RIGHT_NAMES } from './rights';
import { ROLE_NAMES } from './roles';

const ROLES: PolicyRole[] = ['moderator', 'member', 'guest'];
/** Which role may ask for what. Whoever is asked still decides. */
export function Rights({ room }: { room: RoomView }) {
  const { i18n } = useLingui();
  const { api } = useMesh();
  const { policy } = room.settings;
  const change = useMutation({
    mutationFn: ({ role, right, on }: { role: PolicyRole; right: string; on: boolean }) => {
      const others = policy[role].filter((one) => one !== right);
      return api.changeRoom(room.roomId, { policy: { [role]: on ? [...others, right] : others } });
    },
  });
  return (
    <>
      <Problem>{change.error ? explainError(i18n, change.error) : null}</Problem>
      <Text size="sm" mb="sm">
        <Trans>Who may ask for what in this room. Whoever is asked still decides.</Trans>
      </Text>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Td />
            {ROLES.map((role) => (
              <Table.Th key={role} scope="col">
                {i18n._(ROLE_NAMES[role])}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Object.entries(RIGHT_NAMES).map(([right, name]) => (
            <Table.Tr key={right}>
              <Table.Th scope="row">{i18n._(name)}</Table.Th>
              {ROLES.map((role) => (
                <Table.Td key={role}>
                  <Checkbox
                    aria-label={`${i18n._(ROLE_NAMES[role])}: ${i18n._(name)}`}
                    checked={policy[role].includes(right)}
                    onChange={({ currentTarget: { checked } }) => change.mutate({ role, right, on: checked })}
                  />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}
