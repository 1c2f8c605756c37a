import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './app/fonts.css';
import './app/app.css';
import { createRoot } from 'react-dom/client';
import { App } from './app/App';
import { activateLanguage, followLanguage } from './app/i18n';
import { watchPage } from './app/page';
import { reportRefusedInput } from './features/terminal/refusedInput';
import { createMesh } from './state/mesh';

const mesh = createMesh({ refusedInput: reportRefusedInput });
watchPage(mesh);
followLanguage();

activateLanguage().then(
  () => {
    const root = document.getElementById('root');
    if (root) createRoot(root).render(<App mesh={mesh} />);
  },
  // The words never came: there is nothing yet that could be lost.
  () => location.reload(),
);
