import { useNavigate } from '@tanstack/react-router';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useMesh } from '../../app/mesh';
import { safeNext } from '../../app/router';

/** Runs one way of signing in, then goes on to where the person wanted to be. */
export function useSignIn<Input>(signIn: (input: Input) => Promise<unknown>, next?: string) {
  const mesh = useMesh();
  const navigate = useNavigate();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (input: Input) => {
      await signIn(input);
      return mesh.api.me();
    },
    onSuccess: async (me) => {
      queries.clear();
      mesh.signedIn(me);
      await navigate({ href: safeNext(next), replace: true });
    },
  });
}
