import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMesh } from '../../app/mesh';
import { safeNext } from '../../app/router';

/** Runs one way of signing in, then goes on to where the person wanted to be. */
export function useSignIn<Input>(signIn: (input: Input) => Promise<object>, next?: string) {
  const mesh = useMesh();
  const navigate = useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (input: Input) => {
      const entered = await signIn(input);
      return { me: await mesh.api.me(), entered };
    },
    onSuccess: async ({ me, entered }) => {
      queries.clear();
      mesh.signedIn(me);
      // An invitation says which room it led to.
      const room = entered && 'room_id' in entered ? `/rooms/${entered.room_id}` : undefined;
      await navigate({ href: room ?? safeNext(next), replace: true });
    },
  });
}
